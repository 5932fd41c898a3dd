//go:build explore

// Package explore runs the real code of several processes in one, as threads of
// which one runs at a time, and tries out all orders in which their accesses to
// shared words can come, up to a bound, with a kill of any of them before any
// store. It exists in programs that are built with the tag explore only, in which
// package shared asks it before each access; in all others it is stubs.
//
// # What a step is
//
// A thread goes on until it is about to access a word that another one uses, too,
// and either writes. There it stands, and whoever is chosen makes a step: the access,
// and all that follows until the next one. Sleep and wake-up of futexes are such
// accesses. Which words these are is found out on the way: when another one turns
// out to be used by two, the search begins anew.
//
// # What a kill is
//
// A killed thread just makes no step any more. As nobody can tell the moment, it is
// enough to kill before stores, sleeps and wake-ups, and right after a wake-up. That
// a process is dead is said by a thread of the environment, some time later.
//
// # What is left out
//
// Two things reduce the number of orders, and lose none that could matter. Accesses to
// words that only one uses, or nobody writes, commute with whatever others do; they are
// no steps. And what follows a state is explored once: a state is the memory, for each
// thread all that it was told, and what the bounds still allow, as a hash of 64 bits.
// That two of n states have the same hash, so that one is not explored, has a chance of
// about n²/2⁶⁵: one in a million for five million states. There is no dynamic
// partial-order reduction beyond that: two steps on different words are tried in both
// orders, and meet again in the same state.
//
// The words are sequentially consistent, as those of
// sync/atomic are; what weaker memory does is not seen, nor are races between plain
// accesses, which belong to the step before them.
package explore

import (
	"fmt"
	"time"
)

// Enabled reports whether the program is built with the tag explore.
const Enabled = true

// A Model says what is explored: Setup makes the shared memory and the threads of
// one execution. It must do the same each time, and so must the threads, as long
// as what they are told is the same: no clock but Now, no chance, no goroutines.
type Model struct {
	Setup func(x *Execution)

	// The bounds. A preemption is a switch from one process to another while the
	// first could go on; Unbounded is no bound. Kills is how many processes are
	// killed at most; Ticks is how often time passes at any moment: it also passes
	// when nobody can go on before.
	Preemptions int
	Kills       int
	Ticks       int

	// Steps is how many steps an execution may have; longer ones are failures. 0
	// stands for 5,000.
	Steps int

	// For is how long to search at most; 0 is as long as it takes.
	For time.Duration
}

// Unbounded is for Model.Preemptions.
const Unbounded = -1

// An Execution is one way in which the threads of a model run.
type Execution struct {
	search  *search
	memory  []region
	private map[uintptr]*thread // who uses words that are in no memory
	threads []*thread
	always  []func() error
	finally []func() error
	buried  func(process int)
	excuse  func(i int) error

	sum         uint64 // of all words; see settle
	settled     []*uint64
	at          int // in search.path
	steps       int
	chosen      *thread // who runs
	last        *thread // the process that ran last
	preemptions int
	kills       int
	ticks       int
	clock       time.Duration
	timers      []*timer

	looking bool // an invariant is looked at: accesses are no steps
	over    bool
	failure error
	kept    []any
	trace   []string // not nil: is wanted
	written schedule
}

// Process adds a process, which does f, and may be killed. Threads are counted from
// 0 in the order of their making, and the processes are called A, B, C ….
func (x *Execution) Process(f func()) {
	x.add(&thread{name: 'A' + byte(len(x.threads)), process: true, mortal: true}, f)
}

// Witness adds a process that is not killed.
func (x *Execution) Witness(f func()) {
	x.add(&thread{name: 'A' + byte(len(x.threads)), process: true}, f)
}

// Environment adds a thread that is no process: to switch to it or from it is no
// preemption. It comes after all processes. They are called a, b, c ….
func (x *Execution) Environment(f func()) { x.environment(nil, f) }

func (x *Execution) environment(owner *thread, f func()) {
	name := byte('a')
	for _, t := range x.threads {
		if !t.process {
			name++
		}
	}
	x.add(&thread{name: name, owner: owner}, f)
}

// Buried says what follows some time after the process i was killed, in a thread of
// the environment.
func (x *Execution) Buried(f func(i int)) { x.buried = f }

// Excuse says that thread i may be asleep at the end if f returns nil for it.
func (x *Execution) Excuse(f func(i int) error) { x.excuse = f }

// Always adds an invariant, which is looked at before each step.
func (x *Execution) Always(f func() error) { x.always = append(x.always, f) }

// Finally adds what must hold when nobody can go on. That nobody sleeps is checked
// before.
func (x *Execution) Finally(f func() error) { x.finally = append(x.finally, f) }

// Killed reports whether process i was killed.
func (x *Execution) Killed(i int) bool { return x.threads[i].killed }

// Done reports whether thread i has returned.
func (x *Execution) Done(i int) bool { return x.threads[i].done }

// Check ends the execution with a failure unless ok. It is for threads.
func (x *Execution) Check(ok bool, format string, args ...any) {
	if !ok {
		x.fail(fmt.Errorf(format, args...))
		panic(abandoned{})
	}
}

func (x *Execution) fail(err error) {
	if x.failure == nil {
		x.failure = err
	}
	x.over = true
}
