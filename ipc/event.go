package ipc

import (
	"context"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
)

// An EventState is the shared memory of an Event: one word. Zero is an event that
// is not set.
//
//	bit  31      waiters: whoever sets must wake
//	bits 30..1   counts the Sets that changed something
//	bit  0       set
//
// The steps of word: a Set of what is not set raises the count, sets the bit and
// clears waiters, in one CAS, and then wakes everybody if waiters was set. Clear
// clears the bit. A sleeper sets waiters and sleeps on the value. It is done when
// the bit is set or the count is another than when it came, so that a Set that is
// followed by a Clear at once releases all who were waiting.
//
// # A kill after each step
//
//	announced   one wake-up too many
//	set         the wake-up is missing: the death epoch makes up for it
//	woken       nothing: everybody else was woken, too
type EventState struct{ word shared.Uint32 }

// EventSize is the shared memory of an Event in bytes; it is aligned to 4.
const EventSize = 4

const (
	eventSet   = 1
	eventCount = ownerMask &^ eventSet
)

// An Event is a flag that processes wait for. It must not be copied. A waiter
// that dies holds up nobody: Set does not wait for those it wakes.
//
// A Set synchronizes before the return of a Wait that it releases, and a Set or
// Clear before the IsSet that sees it.
//
// It is Python's multiprocessing.Event, except that there Set hangs after a waiter
// was killed, and a waiter may miss a Set that is followed by a Clear.
type Event struct {
	state *EventState
	gate  *gate
	edge  edge
}

// NewEvent is the calling process's view of the event at s.
func NewEvent(d Domain, s *EventState) *Event {
	return &Event{state: s, gate: newGate(d)}
}

// Set sets the flag and releases all who wait.
func (e *Event) Set() error {
	if e.gate.closed.Load() {
		return ErrClosed
	}
	e.edge.release()
	for { // again if the word changed between Load and CompareAndSwap
		v := e.state.word.Load()
		if v&eventSet != 0 {
			return nil
		}
		if e.state.word.CompareAndSwap(v, (v+2)&eventCount|eventSet) {
			if v&waiters != 0 {
				futex.WakeAll(&e.state.word)
			}
			return nil
		}
	}
}

// Clear unsets the flag.
func (e *Event) Clear() error {
	if e.gate.closed.Load() {
		return ErrClosed
	}
	e.edge.release()
	e.state.word.And(^uint32(eventSet))
	return nil
}

// IsSet reports whether the flag is set; it is not after Close.
func (e *Event) IsSet() bool {
	if e.gate.closed.Load() {
		return false
	}
	set := e.state.word.Load()&eventSet != 0
	e.edge.acquire()
	return set
}

// Wait blocks until the flag is set, or has been set in the meantime. It returns
// the context's error if that is done first, ErrClosed after Close.
func (e *Event) Wait(ctx context.Context) error {
	came := e.state.word.Load()
	if came&eventSet != 0 && !e.gate.closed.Load() {
		e.edge.acquire()
		return nil
	}
	err := e.gate.wait(ctx, func(announce bool) (done bool, word *shared.Uint32, seen uint32) {
		done, seen = e.state.happened(came, announce)
		return done, &e.state.word, seen
	})
	if err == nil {
		e.edge.acquire()
	}
	return err
}

func (s *EventState) happened(came uint32, announce bool) (done bool, seen uint32) {
	for { // again if the word changed between Load and CompareAndSwap
		v := s.word.Load()
		switch {
		case v&eventSet != 0 || (v^came)&eventCount != 0:
			return true, 0
		case !announce || v&waiters != 0:
			return false, v
		case s.word.CompareAndSwap(v, v|waiters):
			return false, v | waiters
		}
	}
}

// Close ends this process's view: everybody who waits through it, or ever will,
// gets ErrClosed. Others are not concerned.
func (e *Event) Close() error {
	e.gate.close()
	return nil
}

// String tells whether the flag is set.
func (e *Event) String() string {
	switch {
	case e.gate.closed.Load():
		return "Event(closed)"
	case e.IsSet():
		return "Event(set)"
	}
	return "Event(unset)"
}
