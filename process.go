package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/shm"
)

// A Process is a child process that runs one registered function. Python's
// counterpart is multiprocessing.Process after start.
type Process struct {
	name  string
	fn    string
	child *child.Process
	inc   shm.Incarnation
	news  *delivery
	grace time.Duration

	drained bool // from the start: somebody else reads what it sent, and drops the rest

	done chan struct{} // closed when the process and all it was are gone

	// Written before done is closed.
	exit child.Exit
	born bool // it got as far as Init
	err  error

	// The answer of a process that Run waits for, who closes the parcel. Written
	// before done is closed.
	kept   bool // from the start: somebody wants it
	parcel *shm.Object
	answer []byte
}

// ProcessInfo says who a process is.
type ProcessInfo struct {
	PID  int
	Name string

	incarnation shm.Incarnation
}

// Current is the calling process. Python: current_process.
func Current() *ProcessInfo {
	info := self.info
	if !self.is {
		info = ProcessInfo{PID: os.Getpid(), Name: "main"}
	}
	return &info
}

// Parent is the process that started the calling one, or nil if this library did
// not start it. Python: parent_process.
func Parent() *ProcessInfo {
	if !self.is {
		return nil
	}
	info := self.parent
	return &info
}

// NumCPU is how many CPUs this process may use at a time: those of its affinity
// mask, limited by its cgroup's quota; at least 1.
func NumCPU() int { return sys.NumCPU() }

// children are the processes that this one started and that are not gone yet.
var children struct {
	mu   sync.Mutex
	list []*Process
	born int // how many there ever were, for default names
}

// ActiveChildren lists the processes that this one started and that are alive.
// Python: active_children.
func ActiveChildren() []*Process {
	children.mu.Lock()
	defer children.mu.Unlock()
	return slices.Clone(children.list)
}

// enroll adds p to the children.
func (p *Process) enroll() {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.list = append(children.list, p)
}

func (p *Process) strike() {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.list = slices.DeleteFunc(children.list, func(q *Process) bool { return q == p })
}

// defaultName is "process-N", under a child "its name:N", as in Python.
func defaultName() string {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.born++
	if self.is {
		return fmt.Sprintf("%s:%d", self.info.Name, children.born)
	}
	return fmt.Sprintf("process-%d", children.born)
}

// watch waits for the end of the process, buries it, and tells what became of it.
func (p *Process) watch() {
	exit, err := p.child.Wait()
	a := p.news.arena
	a.Bury(p.inc) // wait's return is the proof
	p.exit = exit
	p.parcel, p.answer = p.news.answer()
	p.born = p.news.opened()
	if !p.drained {
		a.DropUndelivered(p.inc)
	}
	p.news.block.Close()
	p.err = p.verdict()
	if err != nil {
		p.err = errors.Join(p.err, err)
	}
	if !p.kept {
		p.forget()
	}
	p.strike()
	close(p.done)
}

// forget gives the answer back.
func (p *Process) forget() {
	if p.parcel != nil {
		p.parcel.Close()
	}
	p.parcel, p.answer = nil, nil
}

// verdict is nil if the function returned nil and the process ended well.
func (p *Process) verdict() error {
	if p.answer != nil {
		if err := answerErr(p.fn, p.answer); err != nil {
			return err
		}
	}
	switch {
	case p.exit.Code != 0:
		return p.exitError()
	case !p.born:
		return fmt.Errorf("%w, and its program never called mp.Init: %w", p.exitError(), ErrNotInitialized)
	}
	return nil
}

// ending is how the process ended, as an error also if it ended well.
func (p *Process) ending() error {
	if p.err != nil {
		return p.err
	}
	return p.exitError()
}

func (p *Process) exitError() *ExitError {
	return &ExitError{PID: p.PID(), Name: p.name, Func: p.fn, Code: p.exit.Code, Signal: p.exit.Signal, Crash: p.exit.Crash}
}

// follow ends the process when ctx ends: first its function's context, and after
// the grace the process.
func (p *Process) follow(ctx context.Context, grace time.Duration) {
	stop := context.AfterFunc(ctx, func() {
		_ = p.child.Command(commandCancel, 0)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
			_ = p.Kill()
		}
	})
	go func() {
		<-p.done
		stop()
	}()
}

// PID is the process id.
func (p *Process) PID() int { return p.child.PID() }

// Name is the process's name, for people.
func (p *Process) Name() string { return p.name }

// Done is closed when the process is gone: all of its threads have ended, its
// locks are known as a dead process's, and its memory has been given back.
func (p *Process) Done() <-chan struct{} { return p.done }

// Alive reports whether the process is not gone yet.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait waits until the process is gone or ctx ends. It returns nil if the
// function returned nil; a *RemoteError if it returned an error; a *PanicError
// if it panicked; an *ExitError if the process was killed or ended by itself
// with a code other than 0; ctx's error if that came first. It can be called
// any number of times. Python: join, and exitcode.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	default:
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ExitCode is the process's exit code, or minus the number of the signal that
// killed it; exited is false while it is alive.
func (p *Process) ExitCode() (code int, exited bool) {
	if p.Alive() {
		return 0, false
	}
	return p.exit.Code, true
}

// Signal sends a signal to the process; os.ErrProcessDone if it is gone. It never
// reaches another process that was given the same pid.
func (p *Process) Signal(sig os.Signal) error {
	if !p.Alive() {
		return os.ErrProcessDone
	}
	return p.child.Signal(sig)
}

// Interrupt sends SIGINT.
func (p *Process) Interrupt() error { return p.Signal(os.Interrupt) }

// Terminate sends SIGTERM. The process's deferred functions do not run.
func (p *Process) Terminate() error { return p.Signal(syscall.SIGTERM) }

// Kill sends SIGKILL. Nobody who shares an object with the process hangs.
func (p *Process) Kill() error { return p.Signal(os.Kill) }

// String is the process's name, pid and state.
func (p *Process) String() string {
	if code, exited := p.ExitCode(); exited {
		return fmt.Sprintf("process %s (pid %d), %s", p.name, p.PID(), ending(code, p.exit.Signal))
	}
	return fmt.Sprintf("process %s (pid %d), running %q", p.name, p.PID(), p.fn)
}
