package ipc

import (
	"errors"
	"fmt"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A MutexState is the shared memory of a Mutex. Zero is an unlocked mutex.
//
//	offset  size
//	0       4     word
//	4       4     heir
//
// word, written by whoever claims or releases the lock and by sleepers:
//
//	bit  31      waiters: whoever unlocks must wake
//	bits 30..0   incarnation of the owner, 0 if free
//
// Free with waiters set means: reserved for the heir. heir is the incarnation of
// the process whose leader has waited for too long, written by that leader.
//
// The steps of word, in time order of a contended passage:
//
//	0        → me          fast path and spinning: claims the lock
//	x        → x|waiters   announces a sleeper; observed by the owner's release
//	me|w     → 0           releases; then, if waiters was set, wakes one
//	me|w     → waiters     releases to the heir, if there is one; then wakes all
//	0        → me|waiters  claims the lock after having announced: the woken one
//	                       does not know whether others still sleep
//	waiters  → me|waiters  likewise, by the heir; by anybody if the heir is dead or
//	                       has resigned, or has not come in time
//	waiters  → 0           the heir resigns and finds the lock reserved; wakes all
//	dead|w   → me|waiters  Recover: claims it from the dead
//	dead|w   → waiters     IgnoreOwnerDeath: releases it for the dead
//	me|w     → DeadOwner   a repair failed: gives it back as it was; wakes all
//
// Invariants: an owner's word is changed by nobody but the owner, save for
// setting waiters, as long as the owner is not proven dead. Whenever somebody
// sleeps, waiters is set, or a wake-up is on its way, or somebody who is about to
// lock will set it.
//
// # A kill after each step
//
//	claimed           the lock is the dead's: ErrOwnerDied for the next
//	announced         one wake-up too many
//	released          the wake-up is missing: the death epoch makes up for it
//	woken, no step    the wake-up is lost with the dead: the epoch makes up for it
//	became heir       the lock may be reserved for the dead: anybody takes it
//	ceased to be heir the lock may be reserved for nobody: anybody takes it, and
//	                  those who sleep on it are woken by the epoch
//	claimed from dead as if the owner had died again: ErrOwnerDied
//	gave up           the wake-up of all is missing: the epoch makes up for it
//
// # Why a resigning heir writes the word
//
// A sleeper on a reserved word depends on heir, on which it does not sleep: it
// reads word (reserved), reads heir (alive), and sleeps on word. If the heir only
// cleared heir and woke everybody, it might do so between the sleeper's reading
// and its sleep, and the sleeper would then sleep on a lock that nobody is to
// get. So the heir changes word too. If it finds the word not yet reserved,
// whoever reserves it does so after heir was cleared, and everyone who reads word
// after that reads the cleared heir.
//
// This is the protocol of docs/models/mutex.pml with an heir, and was checked as that
// was: three processes, one round each, two kills at any step, and any waiter
// giving up at any time; without the heir's change of word the check finds the
// lost wake-up.
type MutexState struct {
	word, heir shared.Uint32
}

// MutexSize is the shared memory of a Mutex in bytes; it is aligned to 4.
const MutexSize = 8

// closedMutex is what closed views refer to: it is never free and nobody's, so
// that the fast paths need not ask whether the view is closed.
var closedMutex = func() *MutexState {
	s := new(MutexState)
	s.word.Store(uint32(shm.DeadOwner))
	return s
}()

// release frees the lock, which me must own, and wakes who may be waiting.
//
// It compares the owner in the same step, so that a second Unlock that comes too
// late cannot take the lock from the next owner.
func (s *MutexState) release(me uint32) error {
	for { // again if a sleeper announced itself between Load and CompareAndSwap
		v, free := s.word.Load(), uint32(0)
		switch {
		case v&ownerMask == 0:
			return ErrNotLocked
		case v&ownerMask != me:
			return ErrNotOwner
		case v&waiters != 0 && s.heir.Load() != 0:
			free = waiters
		}
		if s.word.CompareAndSwap(v, free) {
			if free != 0 {
				futex.WakeAll(&s.word)
			} else if v&waiters != 0 {
				futex.Wake(&s.word, 1)
			}
			return nil
		}
	}
}

// abandon gives up the lock as if me had died, if it is the owner.
func (s *MutexState) abandon(me uint32) {
	for { // again if a sleeper announced itself between Load and CompareAndSwap
		v := s.word.Load()
		if v&ownerMask != me {
			return
		}
		if s.word.CompareAndSwap(v, uint32(shm.DeadOwner)) {
			futex.WakeAll(&s.word)
			return
		}
	}
}

// claimFromDead makes this process the owner in place of a dead one, and reports
// whether it did. Of several at the same time one succeeds.
func (s *MutexState) claimFromDead(m *Mutex) bool {
	for { // again if a sleeper announced itself between Load and CompareAndSwap
		v := s.word.Load()
		owner := shm.Incarnation(v & ownerMask)
		if !ownerDead(m.d, owner) || m.forgives() {
			return false
		}
		if s.word.CompareAndSwap(v, m.me|waiters) {
			return true
		}
	}
}

// A passage is one goroutine's way to the lock where the fast path failed.
type passage struct {
	succession
	m   *Mutex
	s   *MutexState
	as  uint32 // what to claim the lock with: me, after announcing me|waiters
	err error  // the final error of a try that is done

	readers *readers // not nil: wants to read, see RWMutex
}

// passage begins one at a gate, for a reader or nil. The caller is inside the gate
// until it has resigned.
func (m *Mutex) passage(g *gate, r *readers) passage {
	s := m.state.Load()
	return passage{succession: succession{heir: &s.heir, me: m.me, d: m.d, gate: g}, m: m, s: s, as: m.me, readers: r}
}

// try is the attempt for the gate. An announcing one is the leader's.
func (p *passage) try(announce bool) (done bool, word *shared.Uint32, seen uint32) {
	if announce {
		p.as = p.m.me | waiters
		p.hurry()
	}
	for { // again if the word changed between Load and CompareAndSwap
		v := p.s.word.Load()
		owner := shm.Incarnation(v & ownerMask)
		switch {
		case owner == shm.Nobody:
			if v != 0 && !p.mayTake(announce) {
				return false, &p.s.word, v
			}
			if p.claim(v) {
				return p.claimed()
			}
		case ownerDead(p.m.d, owner):
			if p.m.forgives() {
				p.s.word.CompareAndSwap(v, waiters) // as if it had unlocked
			} else if p.s.word.Load() == v { // so that was said of this owner
				p.err = &OwnerDiedError{Owner: owner}
				return true, nil, 0
			}
		case !owner.Valid():
			p.err = fmt.Errorf("ipc: a mutex's word holds %#x: %w", v, shm.ErrDamaged)
			return true, nil, 0
		case !announce || v&waiters != 0:
			p.taken()
			return false, &p.s.word, v
		case p.s.word.CompareAndSwap(v, v|waiters):
			p.taken()
			return false, &p.s.word, v | waiters
		}
	}
}

// claim takes the free lock, unless the word is no longer v.
func (p *passage) claim(v uint32) bool {
	if p.readers != nil {
		return p.readers.enter(p, v)
	}
	return p.s.word.CompareAndSwap(v, p.as|v)
}

// claimed ends a successful try. Close counts on whoever was waiting to give the
// lock back.
func (p *passage) claimed() (bool, *shared.Uint32, uint32) {
	switch closed := p.gate.closed.Load(); {
	case closed && p.readers != nil:
		p.err = errors.Join(ErrClosed, p.readers.leave())
	case closed:
		p.err = errors.Join(ErrClosed, p.s.release(p.m.me))
	}
	return true, nil, 0
}

// mayTake reports whether the caller may take a reserved lock. It comes after the
// caller has read word, see MutexState.
func (p *passage) mayTake(leader bool) bool {
	may, _ := p.entitled(leader)
	return may
}

// resign ends being the heir.
func (p *passage) resign() {
	if p.succession.resign() && p.s.word.CompareAndSwap(waiters, 0) {
		futex.WakeAll(&p.s.word)
	}
}
