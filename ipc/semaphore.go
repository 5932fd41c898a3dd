package ipc

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/mpgo/mp/internal/futex"
)

// A SemaphoreState is the shared memory of a Semaphore: one word. Zero is a
// semaphore without permits.
//
//	bit  31      waiters: whoever releases must wake
//	bits 30..0   permits that are to be had
//
// The steps of word:
//
//	n      → n-1          acquires; keeps waiters as it is
//	0      → waiters      announces a sleeper, who sleeps on that value
//	n|w    → n+k          releases k and clears waiters; if it was set, wakes k
//	n      → n-1|waiters  acquires after having announced, as others may sleep
//	                      still; and if permits are left, wakes one more
//
// Invariant: if there are permits and sleepers, a wake-up is on its way or a woken
// one has not looked yet. A release that finds waiters set wakes as many as it
// gives. A release that finds it cleared comes after such a one, whose woken one
// will, as long as it finds permits, wake the next; and if it finds none, it sets
// waiters.
//
// # A kill after each step
//
//	acquired    the permit is gone: anybody may release it, see BoundedSemaphore
//	            for permits that come back
//	announced   one wake-up too many
//	released    the wake-up is missing: the death epoch makes up for it
//	woken       the wake-up is lost with the dead: the epoch makes up for it
//	acquired,   the wake-up of the next is missing: the epoch makes up for it
//	announced
type SemaphoreState struct{ word atomic.Uint32 }

// SemaphoreSize is the shared memory of a Semaphore in bytes; it is aligned to 4.
const SemaphoreSize = 4

// maxPermits is the number that fits beside the flag.
const maxPermits = ownerMask

// InitSemaphore gives a new semaphore n permits.
func InitSemaphore(s *SemaphoreState, n int) error {
	if n < 0 || n > maxPermits {
		return fmt.Errorf("ipc: a semaphore of %d permits: %w", n, countError(n))
	}
	s.word.Store(uint32(n))
	return nil
}

func countError(n int) error {
	if n <= 0 {
		return ErrTooFew
	}
	return ErrTooMany
}

// A Semaphore is a number of permits that processes take and give. It must not be
// copied.
//
// Permits belong to nobody: whoever wants to may release, also more than there
// were at first, and what a process had acquired when it died is gone until
// somebody releases it. BoundedSemaphore is the kind that knows its owners.
//
// A Release synchronizes before the return of the Acquire that gets the permit.
//
// It is Python's multiprocessing.Semaphore.
type Semaphore struct {
	state *SemaphoreState
	gate  *gate
	edge  edge
}

// NewSemaphore is the calling process's view of the semaphore at s.
func NewSemaphore(d Domain, s *SemaphoreState) *Semaphore {
	return &Semaphore{state: s, gate: newGate(d)}
}

// Acquire takes a permit. It blocks until there is one, and returns the context's
// error if that is done first, ErrClosed after Close.
func (s *Semaphore) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ok, err := s.TryAcquire(); ok || err != nil {
		return err
	}
	announced := false
	err := s.gate.wait(ctx, func(announce bool) (done bool, word *atomic.Uint32, seen uint32) {
		announced = announced || announce
		done, seen = s.state.take(announced)
		return done, &s.state.word, seen
	})
	if err == nil {
		s.edge.acquire()
	}
	return err
}

// TryAcquire takes a permit if there is one, and reports whether it did.
func (s *Semaphore) TryAcquire() (bool, error) {
	if s.gate.closed.Load() {
		return false, ErrClosed
	}
	ok, _ := s.state.take(false)
	if ok {
		s.edge.acquire()
	}
	return ok, nil
}

// take takes a permit. If there is none it returns the word's value, announced or
// not.
func (s *SemaphoreState) take(announced bool) (ok bool, seen uint32) {
	for { // again if the word changed between Load and CompareAndSwap
		v := s.word.Load()
		left := v & ownerMask
		next := v - 1
		switch {
		case left == 0 && (!announced || v&waiters != 0):
			return false, v
		case left == 0:
			next = waiters
		case announced:
			next |= waiters
		}
		if !s.word.CompareAndSwap(v, next) {
			continue
		}
		if left == 0 {
			return false, next
		}
		if announced && left > 1 {
			futex.Wake(&s.word, 1)
		}
		return true, 0
	}
}

// Release gives n permits, be they taken before or new. It returns ErrTooFew for
// less than one and ErrTooMany beyond 2³¹-1, and changes nothing then.
func (s *Semaphore) Release(n int) error {
	if s.gate.closed.Load() {
		return ErrClosed
	}
	if n < 1 {
		return fmt.Errorf("ipc: releasing %d permits: %w", n, ErrTooFew)
	}
	s.edge.release()
	for { // again if the word changed between Load and CompareAndSwap
		v := s.state.word.Load()
		left := v & ownerMask
		if n > maxPermits-int(left) {
			return fmt.Errorf("ipc: releasing %d permits: %w", n, ErrTooMany)
		}
		if s.state.word.CompareAndSwap(v, left+uint32(n)) {
			if v&waiters != 0 {
				futex.Wake(&s.state.word, n)
			}
			return nil
		}
	}
}

// Value is the number of permits that are to be had.
func (s *Semaphore) Value() int { return int(s.state.word.Load() & ownerMask) }

// Locked reports whether there is no permit.
func (s *Semaphore) Locked() bool { return s.Value() == 0 }

// Close ends this process's view: everybody who waits through it, or ever will,
// gets ErrClosed. Others are not concerned.
func (s *Semaphore) Close() error {
	s.gate.close()
	return nil
}

// String tells the number of permits.
func (s *Semaphore) String() string {
	if s.gate.closed.Load() {
		return "Semaphore(closed)"
	}
	return fmt.Sprintf("Semaphore(value=%d)", s.Value())
}
