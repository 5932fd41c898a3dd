//go:build explore

package explore

import (
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"

	"github.com/mpgo/mp/internal/goroutine"
)

// A thread is one of those whose steps are interleaved: a process, or a part of the
// environment. It is a coroutine, so that one runs at a time.
type thread struct {
	name    byte
	process bool
	mortal  bool
	owner   *thread // not nil: is a timer of that process, and dies with it

	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	self   uintptr // its goroutine

	next    operation // that it is about to do
	free    bool      // the next operation is no step of its own
	asleep  []uintptr // the words that it sleeps on
	awoken  bool      // by the last step
	done    bool
	killed  bool
	learned uint64 // hash of all it was told
}

func (t *thread) learn(v uint64) { t.learned = mix(t.learned ^ mix(v)) }

// state is what learned does not tell.
func (t *thread) state() uint64 {
	v := uint64(t.name)
	for i, is := range [...]bool{t.asleep != nil, t.done, t.killed, t.free} {
		if is {
			v |= 1 << (8 + i)
		}
	}
	return v
}

// bit is one for each process, and one for each of the first threads of the
// environment.
func (t *thread) bit() uint32 {
	if t.process {
		return 1 << (t.name - 'A')
	}
	return 1 << (16 + (t.name-'a')%16)
}

// enabled reports whether the thread can make a step.
func (t *thread) enabled() bool { return !t.done && !t.killed && t.asleep == nil }

// running is the execution that goes on in this program, if one does.
var running *Execution

// Running reports whether the caller is a thread of an exploration.
func Running() bool { return current() != nil }

// current is the thread that the caller is, or nil.
func current() *thread {
	if running == nil || running.chosen == nil || running.looking {
		return nil
	}
	if t := running.chosen; t.self == goroutine.Self() {
		return t
	}
	return nil
}

// abandoned is the panic that ends a thread whose execution is over.
type abandoned struct{}

func (x *Execution) add(t *thread, f func()) {
	t.next, t.free = operation{kind: begins}, true
	t.learned = uint64(t.name)
	t.resume, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.self, t.yield = goroutine.Self(), yield
		defer func() {
			t.done, t.self = true, 0 // another goroutine may get its number
			p := recover()
			if _, expected := p.(abandoned); p != nil && !expected && !x.over {
				x.fail(fmt.Errorf("%c panics: %v\n%s", t.name, p, debug.Stack()))
			}
		}()
		f()
		t.done = true
		x.choose()
	})
	x.threads = append(x.threads, t)
}

// step is where a thread stands before an operation, until it is its turn.
func (x *Execution) step(t *thread, op operation) {
	t.next = op
	if t.free {
		t.free = false
		return
	}
	x.choose()
	t.await(x)
}

// await lets others run until t is chosen.
func (t *thread) await(x *Execution) {
	if !x.over && x.chosen != t && !t.yield(struct{}{}) || x.over {
		panic(abandoned{})
	}
}

// run is one execution.
func (x *Execution) run() {
	running = x
	x.choose()
	for !x.over {
		x.chosen.resume()
	}
	for _, t := range x.threads {
		x.chosen = t // for the accesses in what it has deferred
		t.stop()
	}
	running = nil
}

// end is when no thread can make a step.
func (x *Execution) end() {
	x.over = true
	for i, t := range x.threads {
		if t.asleep == nil || t.killed {
			continue
		}
		if err := x.excused(i); err != nil {
			x.fail(fmt.Errorf("%w: %c sleeps, and nobody is left to wake it%w", ErrDeadlock, t.name, err))
			return
		}
	}
	if err := x.look(x.finally); err != nil {
		x.fail(err)
	}
}

// excused asks the model whether thread i may sleep at the end.
func (x *Execution) excused(i int) error {
	if x.excuse == nil {
		return errors.New("")
	}
	if err := x.look([]func() error{func() error { return x.excuse(i) }}); err != nil {
		return fmt.Errorf(": %w", err)
	}
	return nil
}

// ErrDeadlock is the failure of an execution that ends with a sleeping thread.
var ErrDeadlock = errors.New("deadlock")

// look checks invariants.
func (x *Execution) look(invariants []func() error) error {
	x.looking = true
	defer func() { x.looking = false }()
	for _, f := range invariants {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// kill ends a process where it stands.
func (x *Execution) kill(victim *thread) {
	for _, t := range x.threads {
		if t == victim || t.owner == victim {
			t.killed, t.asleep = true, nil
		}
	}
	if i := slices.Index(x.threads, victim); x.buried != nil {
		x.environment(nil, func() { x.buried(i) })
	}
}

// Die kills the calling process.
func (x *Execution) Die() {
	t := current()
	x.kill(t)
	x.choose()
	t.await(x)
}
