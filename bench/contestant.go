package main

import (
	"os/exec"
	"slices"

	"github.com/mpgo/mp/bench/internal/flip"
	"github.com/mpgo/mp/bench/internal/limit"
	"github.com/mpgo/mp/bench/internal/ours"
	"github.com/mpgo/mp/bench/internal/plain"
	"github.com/mpgo/mp/bench/internal/plugin"
	"github.com/mpgo/mp/bench/internal/python"
	"github.com/mpgo/mp/bench/internal/result"
	"github.com/mpgo/mp/bench/internal/side"
)

// A contestant is somebody who can do some kinds of work.
type contestant interface {
	// Name is for tables.
	Name() string
	// Kind is what it is to the comparison.
	Kind() result.Kind
	// Can reports whether it could do the job if it were there.
	Can(side.Job) bool
	// Command is the process that does the job. The error says why the contestant
	// is not there.
	Command(side.Job) (*exec.Cmd, error)
}

// contestants are all, in the order in which they are measured: what is compared
// stands side by side.
func contestants(b *built) []contestant {
	all := []contestant{
		inSmall{b, plain.InProcess, result.Scale, onlySmall(plain.Sides()[plain.InProcess])},
	}
	for _, name := range []string{"os.Pipe", "unix socket", "net/rpc", "flock", "a futex in Go"} {
		all = append(all, inSmall{b, name, result.Peer, has(plain.Sides()[name])})
	}
	return append(all,
		inTiny{b, "os/exec", result.Peer},
		pythons{b, "Python", python.Fork},
		pythons{b, "Python, spawn", python.Spawn},
		inSelf{flip.Name, result.Peer, has(flip.Works())},
		inSelf{plugin.NetRPC, result.Peer, has(plugin.Works(plugin.NetRPC))},
		inSelf{plugin.GRPC, result.Peer, has(plugin.Works(plugin.GRPC))},
		inC{b, "glibc plain mutex", result.Peer, limit.PlainMutex},
		inC{b, "C", result.Limit, ""},
		inSmall{b, ours.Name, result.Ours, func(job side.Job) bool { return ours.Works()[job.Work] != nil }},
		inTiny{b, ours.Name, result.Ours},
	)
}

// simpler is mp at the job that another row has.
type simpler struct {
	contestant
	row string
}

func (c simpler) Name() string      { return c.row }
func (c simpler) Kind() result.Kind { return result.Base }

// inSelf is a side that this program itself plays.
type inSelf struct {
	name string
	kind result.Kind
	can  func(side.Job) bool
}

func (c inSelf) Name() string          { return c.name }
func (c inSelf) Kind() result.Kind     { return c.kind }
func (c inSelf) Can(job side.Job) bool { return c.can(job) }
func (c inSelf) Command(job side.Job) (*exec.Cmd, error) {
	return exec.Command("/proc/self/exe", side.Arguments(c.name, job)...), nil
}

// inSmall is a side that the small program plays.
type inSmall struct {
	*built
	name string
	kind result.Kind
	can  func(side.Job) bool
}

func (c inSmall) Name() string          { return c.name }
func (c inSmall) Kind() result.Kind     { return c.kind }
func (c inSmall) Can(job side.Job) bool { return c.can(job) }
func (c inSmall) Command(job side.Job) (*exec.Cmd, error) {
	return c.small.command(side.Arguments(c.name, job)...)
}

// inTiny is a side that starts the tiny program.
type inTiny struct {
	*built
	name string
	kind result.Kind
}

func (c inTiny) Name() string          { return c.name }
func (c inTiny) Kind() result.Kind     { return c.kind }
func (c inTiny) Can(job side.Job) bool { return job.Work == side.Start }
func (c inTiny) Command(job side.Job) (*exec.Cmd, error) {
	return c.tiny.command(side.Arguments(c.name, job)...)
}

// has is for a side that can do some works, whatever the rest of the job.
func has(works side.Works) func(side.Job) bool {
	return func(job side.Job) bool { return works[job.Work] != nil && common(job) }
}

// common reports whether the job has nothing in it that is mp's only: batches, or
// bystanders.
func common(job side.Job) bool { return job.Batch == 0 && job.Bystanders == 0 }

// onlySmall is for a side whose messages have one size.
func onlySmall(works side.Works) func(side.Job) bool {
	return func(job side.Job) bool {
		return has(works)(job) && (job.Size == 0 || job.Size == small)
	}
}

// inC is the C program.
type inC struct {
	*built
	name   string
	kind   result.Kind
	choice limit.Choice
}

func (c inC) Name() string      { return c.name }
func (c inC) Kind() result.Kind { return c.kind }

// Can is a matter of mutexes only for the plain one. For a batch the limit is that
// of single messages, and with bystanders that without.
func (c inC) Can(job side.Job) bool {
	if c.kind == result.Peer {
		return job.Work == side.MutexAlone || job.Work == side.MutexContended && job.Goroutines == 0
	}
	return slices.Contains(limit.Works(), job.Work)
}

func (c inC) Command(job side.Job) (*exec.Cmd, error) {
	if c.limit == nil {
		return nil, c.noLimit
	}
	child, err := c.tiny.command("exit")
	if job.Work == side.Start && err != nil {
		return nil, err
	}
	return c.limit.Command(job, child, c.choice), nil
}

// pythons is Python with one of its ways to start processes.
type pythons struct {
	*built
	name   string
	method python.Method
}

func (c pythons) Name() string      { return c.name }
func (c pythons) Kind() result.Kind { return result.Peer }

// Can: how a process was started makes no difference afterwards. Measurements of
// large crowds would take minutes.
func (c pythons) Can(job side.Job) bool {
	if c.method == python.Spawn {
		return job.Work == side.Start
	}
	crowd := max(job.Workers, job.Producers+job.Consumers) > 8
	return slices.Contains(python.Works(), job.Work) && job.Goroutines == 0 && !crowd && common(job)
}

func (c pythons) Command(job side.Job) (*exec.Cmd, error) {
	if c.python == nil {
		return nil, c.noPython
	}
	return c.python.Command(job, c.method), nil
}
