package ipc

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A BarrierState is the shared memory of a Barrier.
//
//	offset  size
//	0       8     state
//	8       4     changed: the news, published at each end of a round
//	12      4     parties, written once before anybody else looks
//	16      2048  arrivals: the roster; the value is the number of the last round
//	              for which a goroutine of the process arrived
//
// state, each step one CAS by whoever brings it about:
//
//	bits 63..33  round: counts rounds, whether they ended well or by Reset
//	bits 32..17  history: of the last 16 rounds, bit 17 the last one, 1 if its
//	             parties met
//	bit  16      broken
//	bits 15..0   arrived: parties that arrived in this round
//
// A party enters itself in arrivals, then raises arrived; the last one runs the
// action, then raises round. A party waits until round is another than when it
// arrived, and reads in history how it ended; or until the barrier is broken.
// Nobody waits for a waiter to leave.
//
// # A kill after each step
//
//	entered in arrivals  whoever waits finds the dead in arrivals, because of the
//	arrived              death epoch, and breaks the barrier
//	action               likewise
//	round raised         the publication is missing: the epoch makes up for it;
//	                     the arrival is of a former round, so nothing breaks
//	broken               the publication is missing: the epoch makes up for it
type BarrierState struct {
	state    shared.Uint64
	changed  news
	parties  shared.Uint32
	arrivals roster
}

// BarrierSize is the shared memory of a Barrier in bytes; it is aligned to 8.
const BarrierSize = 16 + 8*shm.MaxProcesses

// MaxParties is how many parties a barrier can have.
const MaxParties = math.MaxUint16

// InitBarrier makes a zeroed state a barrier of so many parties.
func InitBarrier(s *BarrierState, parties int) error {
	if parties < 1 || parties > MaxParties {
		return fmt.Errorf("ipc: a barrier of %d parties: %w", parties, countError(parties))
	}
	s.parties.Store(uint32(parties))
	return nil
}

// A round is what BarrierState.state holds.
type round uint64

const (
	barrierBroken  = 1 << 16
	barrierRound   = 33
	barrierHistory = 17
	historyBits    = barrierRound - barrierHistory
)

func (r round) number() uint32 { return uint32(r >> barrierRound) }
func (r round) arrived() int   { return int(r & math.MaxUint16) }
func (r round) broken() bool   { return r&barrierBroken != 0 }

// next is the round after r, whose parties have met or not.
func (r round) next(met bool) round {
	history := r >> barrierHistory << 1 & (1<<historyBits - 1)
	if met {
		history |= 1
	}
	return (round(r.number())+1)<<barrierRound | history<<barrierHistory
}

// met reports whether the parties of an earlier round met. Of rounds so long ago
// that history does not tell, they did: nobody who waited slept through 16 Resets.
func (r round) met(number uint32) bool {
	ago := (r.number() - number) & math.MaxInt32
	return ago > historyBits || r>>(barrierHistory+ago-1)&1 != 0
}

// A Barrier is where a fixed number of parties wait for each other, in any
// processes, any number of times. It must not be copied.
//
// If a party gives up, or dies after it arrived, or the action fails, or Abort is
// called, the barrier is broken: everybody who waits or comes gets
// ErrBrokenBarrier, at once, until a Reset.
//
// What the parties did before Wait synchronizes before the action, and that before
// the return of every Wait. What breaks the barrier, as an Abort or a party that
// gives up, and a Reset synchronize before the ErrBrokenBarrier that they cause.
//
// It is Python's multiprocessing.Barrier, which hangs when a party is killed.
type Barrier struct {
	state  *BarrierState
	action func() error
	me     shm.Incarnation
	d      Domain
	entry  *gate // parties wait here to arrive while a round ends
	gate   *gate // and here, having arrived, for the others
	edge   edge
}

// NewBarrier is the calling process's view of the barrier at s. The last party to
// arrive calls its view's action, if not nil, before the others go on.
func NewBarrier(d Domain, s *BarrierState, action func() error) *Barrier {
	return &Barrier{state: s, action: action, me: d.Self(), d: d, entry: newGate(d), gate: newGate(d)}
}

// Wait blocks until all parties wait, and returns the number of those that arrived
// before this one. Only if all of them arrived is the error nil. If the context is
// done first, the barrier breaks.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	r, err := b.arrive(ctx)
	switch {
	case err != nil:
		index = 0
	case r.arrived() == b.Parties():
		index, err = r.arrived()-1, b.complete(r)
	default:
		index, err = r.arrived()-1, b.await(ctx, r)
	}
	if err == nil || errors.Is(err, ErrBrokenBarrier) {
		b.edge.acquire()
	}
	return index, err
}

// arrive makes the caller a party and returns the state with it. While a full
// round runs its action, it waits for the next.
func (b *Barrier) arrive(ctx context.Context) (r round, err error) {
	b.edge.release()
	waitErr := b.entry.wait(ctx, func(announce bool) (done bool, word *shared.Uint32, seen uint32) {
		if announce {
			seen = b.state.changed.expect()
		}
		done, r, err = b.tryArrive()
		return done, &b.state.changed.word, seen
	})
	if waitErr != nil {
		return 0, waitErr
	}
	return r, err
}

func (b *Barrier) tryArrive() (bool, round, error) {
	for { // again if another party arrived between load and CompareAndSwap
		r := b.load()
		switch {
		case r.broken() || b.deadParty(r):
			return true, 0, ErrBrokenBarrier
		case r.arrived() >= b.Parties():
			return false, 0, nil
		}
		if b.enlist(r) && b.cas(r, r+1) {
			return true, r + 1, nil
		}
	}
}

// enlist enters this process as party of a round, unless it is in a later one or
// the slot's former process died in this one.
func (b *Barrier) enlist(r round) bool {
	mine := b.state.arrivals.of(b.me)
	e := mine.Load()
	if entryOwner(e) == b.me {
		ahead := (r.number() - uint32(e)) & math.MaxInt32
		if ahead == 0 || ahead > math.MaxInt32/2 {
			return ahead == 0
		}
	}
	return mine.CompareAndSwap(e, entry(b.me, r.number()))
}

// complete is the last party's end of a round.
func (b *Barrier) complete(r round) error {
	b.edge.acquire()
	ok := false
	defer func() {
		if !ok {
			b.breakUp(r)
		}
	}()
	if b.action != nil {
		if err := b.action(); err != nil {
			return fmt.Errorf("ipc: the action of a barrier: %w", err)
		}
	}
	b.edge.release()
	if ok = b.cas(r, r.next(true)); !ok {
		return ErrBrokenBarrier
	}
	b.state.changed.publish(everybody)
	return nil
}

// await is the other parties' end of a round.
func (b *Barrier) await(ctx context.Context, r round) (err error) {
	waitErr := b.gate.wait(ctx, func(announce bool) (done bool, word *shared.Uint32, seen uint32) {
		if announce {
			seen = b.state.changed.expect()
		}
		done, err = b.over(r, announce)
		return done, &b.state.changed.word, seen
	})
	if waitErr != nil {
		b.breakUp(r)
		if done, err := b.over(r, false); !done || err != nil {
			return waitErr
		}
	}
	return err
}

// over reports whether a round has ended, and how; with search also because a
// party died.
func (b *Barrier) over(r round, search bool) (bool, error) {
	now := b.load()
	if now.number() != r.number() {
		if now.met(r.number()) {
			return true, nil
		}
		return true, ErrBrokenBarrier
	}
	if now.broken() || search && b.deadParty(now) {
		return true, ErrBrokenBarrier
	}
	return false, nil
}

// deadParty looks for a party of the round that died, and breaks the barrier if
// there is one.
func (b *Barrier) deadParty(r round) bool {
	for i := range b.state.arrivals {
		e := b.state.arrivals[i].Load()
		if owner := entryOwner(e); uint32(e) == r.number() && owner != b.me && ownerDead(b.d, owner) {
			return b.breakUp(r)
		}
	}
	return false
}

// breakUp breaks the barrier if it is still in the round of r, and reports
// whether it is broken.
func (b *Barrier) breakUp(r round) bool {
	b.edge.release()
	for { // again if a party arrived between load and CompareAndSwap
		now := b.load()
		if now.number() != r.number() || now.broken() {
			return now.broken()
		}
		if b.cas(now, now|barrierBroken) {
			b.state.changed.publish(everybody)
			return true
		}
	}
}

// Abort breaks the barrier.
func (b *Barrier) Abort() error {
	if b.gate.closed.Load() {
		return ErrClosed
	}
	for !b.breakUp(b.load()) { // again if a round ended in between
	}
	return nil
}

// Reset makes the barrier as new. Those who wait get ErrBrokenBarrier.
func (b *Barrier) Reset() error {
	if b.gate.closed.Load() {
		return ErrClosed
	}
	b.edge.release()
	for { // again if a party arrived between load and CompareAndSwap
		r := b.load()
		if r.arrived() == 0 && !r.broken() {
			return nil
		}
		if b.cas(r, r.next(false)) {
			b.state.changed.publish(everybody)
			return nil
		}
	}
}

func (b *Barrier) load() round { return round(b.state.state.Load()) }

func (b *Barrier) cas(from, to round) bool {
	return b.state.state.CompareAndSwap(uint64(from), uint64(to))
}

// Broken reports whether the barrier is broken.
func (b *Barrier) Broken() bool {
	if !b.load().broken() {
		return false
	}
	b.edge.acquire()
	return true
}

// Parties is the number of parties.
func (b *Barrier) Parties() int { return int(b.state.parties.Load()) }

// Waiting is the number of parties that wait for the others.
func (b *Barrier) Waiting() int {
	if r := b.load(); !r.broken() {
		return r.arrived()
	}
	return 0
}

// Close ends this process's view: everybody who waits through it, or ever will,
// gets ErrClosed; the barrier breaks if somebody did.
func (b *Barrier) Close() error {
	b.entry.close()
	b.gate.close()
	return nil
}

// String tells the state.
func (b *Barrier) String() string {
	switch {
	case b.gate.closed.Load():
		return "Barrier(closed)"
	case b.Broken():
		return fmt.Sprintf("Barrier(broken, parties=%d)", b.Parties())
	}
	return fmt.Sprintf("Barrier(parties=%d, waiting=%d)", b.Parties(), b.Waiting())
}
