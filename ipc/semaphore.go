package ipc

import (
	"context"
	"fmt"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
)

// A SemaphoreState is the shared memory of a Semaphore. Zero is a semaphore without
// permits.
//
//	offset  size
//	0       4     word
//	4       4     heir, see succession: as long as there is one, permits are for it
//
// word, written by everybody:
//
//	bit  31      waiters: whoever releases must wake
//	bits 30..0   permits that are to be had
//
// The steps of word:
//
//	n      → n-1          acquires; keeps waiters as it is
//	0      → waiters      announces a sleeper, who sleeps on that value
//	n|w    → n+k          releases k and clears waiters; if it was set, wakes k, or
//	                      all if there is an heir
//	n      → n-1|waiters  acquires after having announced, as others may sleep
//	                      still; and if permits are left, wakes one more
//
// Who finds no permit sleeps on word. Who finds one that is for the heir sleeps on
// heir, and is woken when the heir resigns.
//
// Invariant: if there are permits and somebody sleeps on word, a wake-up is on its
// way or a woken one has not looked yet. A release that finds waiters set wakes as
// many as it gives. A release that finds it cleared comes after such a one, whose
// woken one will, as long as it finds permits, wake the next; and if it finds none,
// it sets waiters.
//
// The heir does not sleep while there are permits. It becomes heir before it looks
// at word, and a release looks for an heir after it has changed word: so the heir
// sees the permits, or the release sees the heir and wakes it with all others. Those
// find the permits kept, and sleep on heir.
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
//	became heir nothing is kept for the dead, and who sleeps on heir is woken by
//	            the epoch
//	resigned    the wake-up of all on heir is missing: the epoch makes up for it
//
// This is the protocol of docs/models/semaphore.pml.
type SemaphoreState struct{ word, heir shared.Uint32 }

// SemaphoreSize is the shared memory of a Semaphore in bytes; it is aligned to 4.
const SemaphoreSize = 8

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
// A running goroutine may overtake those that sleep, as at a Mutex, but who has
// waited for a millisecond gets the next permit: nobody starves.
//
// A Release synchronizes before the return of the Acquire that gets the permit.
//
// It is Python's multiprocessing.Semaphore.
type Semaphore struct {
	state *SemaphoreState
	me    uint32
	d     Domain
	gate  *gate
	edge  edge
}

// NewSemaphore is the calling process's view of the semaphore at s.
func NewSemaphore(d Domain, s *SemaphoreState) *Semaphore {
	return &Semaphore{state: s, me: uint32(d.Self()), d: d, gate: newGate(d)}
}

// Acquire takes a permit. It blocks until there is one, and returns the context's
// error if that is done first, ErrClosed after Close.
func (s *Semaphore) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.gate.closed.Load() {
		return ErrClosed
	}
	if s.state.heir.Load() == 0 && s.state.take() {
		s.edge.acquire()
		return nil
	}
	return s.acquireSlow(ctx)
}

func (s *Semaphore) acquireSlow(ctx context.Context) error {
	s.gate.enter() // resign below still uses the shared words
	defer s.gate.leave()
	p := permission{s: s.state}
	p.succession = succession{heir: &s.state.heir, me: s.me, d: s.d, gate: s.gate}
	err := s.gate.wait(ctx, p.try)
	if p.resign() {
		futex.WakeAll(&s.state.heir)
	}
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
	if !s.state.take() {
		return false, nil
	}
	s.edge.acquire()
	return true, nil
}

// take takes a permit if there is one, whoever it is for.
func (s *SemaphoreState) take() bool {
	for { // again if the word changed between Load and CompareAndSwap
		v := s.word.Load()
		if v&ownerMask == 0 {
			return false
		}
		if s.word.CompareAndSwap(v, v-1) {
			return true
		}
	}
}

// A permission is one goroutine's way to a permit where there was none at once.
type permission struct {
	succession
	s         *SemaphoreState
	announced bool
}

// try is the attempt for the gate. An announcing one is the leader's.
func (p *permission) try(announce bool) (done bool, word *shared.Uint32, seen uint32) {
	if announce {
		p.announced = true
		p.hurry()
	}
	for { // again if the word changed between Load and CompareAndSwap
		v := p.s.word.Load()
		left := v & ownerMask
		if left > 0 {
			if may, heir := p.entitled(announce); !may {
				return false, p.heir, heir
			}
			if p.claim(v) {
				return true, nil, 0
			}
			continue
		}
		p.taken()
		if !p.announced || v&waiters != 0 {
			return false, &p.s.word, v
		}
		if p.s.word.CompareAndSwap(v, waiters) {
			return false, &p.s.word, waiters
		}
	}
}

// claim takes a permit, unless the word is no longer v.
func (p *permission) claim(v uint32) bool {
	if !p.announced {
		return p.s.word.CompareAndSwap(v, v-1)
	}
	if !p.s.word.CompareAndSwap(v, v-1|waiters) {
		return false
	}
	if v&ownerMask > 1 {
		futex.Wake(&p.s.word, 1)
	}
	return true
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
			s.state.wake(v, n)
			return nil
		}
	}
}

// wake is the end of a release of n permits that found the word as v.
func (s *SemaphoreState) wake(v uint32, n int) {
	switch {
	case v&waiters == 0:
	case s.heir.Load() != 0: // who knows which of the sleepers that is
		futex.WakeAll(&s.word)
	default:
		futex.Wake(&s.word, n)
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
