package ipc

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A Taken message is the caller's to read. It must be given back by Release,
// once. If its process dies before, another one takes it.
type Taken struct {
	cells *cells
	cell  *cellHeader
	state uint64 // {lap, reading, me}, which nobody else changes while we live
	lease *Lease // where it lies if it was received before; then there is no cell
}

// Bytes is the message where it lies. It may be read, and even written to, until
// Release. The error is ErrDamaged if the cell has a length that cannot be.
func (t Taken) Bytes() ([]byte, error) {
	if t.lease != nil {
		return t.lease.Bytes()
	}
	n := t.cell.length // loaded once: it may change if a peer is hostile
	if n > t.cells.inline {
		return nil, fmt.Errorf("ipc: a message of %d bytes in a cell for %d: %w", n, t.cells.inline, shm.ErrDamaged)
	}
	return t.cells.bytes(t.cell, n), nil
}

// Exactly is the message where it lies if it has n bytes and was not received before,
// or nil: the short way of those whose messages all are alike.
func (t Taken) Exactly(n int) []byte {
	if t.lease != nil || t.cell.length != uint32(n) || uint32(n) > t.cells.inline {
		return nil
	}
	return t.cells.bytes(t.cell, uint32(n))
}

// Attempt is how often the message was taken, this time included. It is more than
// once if those who had it died, or returned it.
func (t Taken) Attempt() int {
	if t.lease != nil {
		return t.lease.Attempt()
	}
	return int(t.cell.attempt) + 1
}

// OnLease is the lease of a message that was received before and came back. It is
// what Release acknowledges.
func (t Taken) OnLease() (Lease, bool) {
	if t.lease == nil {
		return Lease{}, false
	}
	return *t.lease, true
}

// Release consumes the message and frees its cell.
func (t Taken) Release() {
	if t.lease != nil {
		_ = t.lease.Ack() // it is ours
		return
	}
	t.vacate(true)
	t.cells.tellProducers(1)
	if t.cells.lending.joins.awaited() {
		t.cells.ring.wakeJoins()
	}
}

// stamp names the position that the message is at.
func (t Taken) stamp() uint64 { return t.cells.stamp(t.cell, t.state) }

// vacate is Release without the wake-up, and without a barrier if it is not the last of
// many. This passes ownership of the cell to claim.
func (t Taken) vacate(last bool) {
	t.cells.ring.freeEdge.release()
	t.cell.give(passed(t.state), last)
}

// consume appends the message to buf and releases it.
func (t Taken) consume(buf []byte) ([]byte, error) {
	msg, err := t.Bytes()
	buf = append(buf, msg...)
	t.Release()
	return buf, err
}

// Take gives the caller the next message, and waits for one if need be. The error
// is ErrClosed if the ring is closed and drained, or the context's.
func (r *Ring) Take(ctx context.Context) (Taken, error) {
	if err := ctx.Err(); err != nil {
		return Taken{}, err
	}
	t, err := r.take()
	if err == ErrEmpty {
		return r.takeSlow(ctx)
	}
	return t, err
}

// TryTake is Take, but returns ErrEmpty where Take would wait.
func (r *Ring) TryTake() (Taken, error) { return r.take() }

// take makes one attempt.
func (r *Ring) take() (Taken, error) {
	c := r.cells.Load()
	if r.chain == nil || c == detached {
		return c.take()
	}
	return r.chain.take()
}

func (r *Ring) takeSlow(ctx context.Context) (t Taken, err error) {
	r.get.enter() // as receiveSlow
	defer r.get.leave()
	cells := r.cells.Load()
	if r.getLull.passDrained(cells, flowLull) {
		if t, err = r.take(); err != ErrEmpty {
			return t, err
		}
	}
	v := vigil{bell: cells.puts}
	var clock alarmClock
	waitErr := r.get.wait(ctx, func(announce bool) (bool, *shared.Uint32, uint32) {
		var rung uint32
		if announce {
			rung = v.announce()
		}
		t, err = r.take() // observes publish
		if announce && err == ErrEmpty {
			clock.set(r.lender, r.get.ring)
		}
		return err != ErrEmpty, &cells.puts.rung, rung
	})
	v.end()
	clock.stop()
	cells.passOnAlarm()
	if waitErr != nil {
		return Taken{}, waitErr
	}
	return t, err
}

// passOnAlarm lets somebody else wait for the returned message that is due next,
// if there is one: the caller does so no longer.
func (c *cells) passOnAlarm() {
	if c.lending.due.Load() != 0 {
		c.wakeTaker()
	}
}

// tellConsumers wakes those who wait for n messages, and tellProducers those who wait for n
// free cells. Who has to wait for them in turn expects them.
func (c *cells) tellConsumers(n int) {
	if c.puts.wake(n) {
		c.ring.put.expect()
	}
}

func (c *cells) tellProducers(n int) {
	if c.frees.wake(n) {
		c.ring.get.expect()
	}
}

// wakeTaker wakes one of those who wait for a message, and one of those who wait for a
// slot of the lease table: for what may concern either.
func (c *cells) wakeTaker() {
	c.puts.wake(1)
	c.ring.lender.wakeSlotless(1)
}

// over is ErrClosed of a ring that is drained. Whoever finds that out tells all who wait:
// the last message's wake-up went to one of them only.
func (c *cells) over() error {
	c.puts.wake(math.MaxInt32)
	c.ring.lender.wakeSlotless(math.MaxInt32)
	c.ring.putEdge.acquire()
	return ErrClosed
}

// take makes one attempt at the messages that came back, then at the one at head.
func (c *cells) take() (Taken, error) {
	if epoch := c.epoch.Load(); c.calledBack(epoch) { // epoch first
		if t, ok, err := c.again(epoch); ok || err != nil {
			return t, err
		}
	}
	drained := false // closed was set before we looked at head
	for {            // again if others changed the cell, or head was behind
		pos := c.head.Load()
		if pos >= c.end {
			return Taken{}, errPassed
		}
		cell := c.at(pos)
		if cell == nil {
			return Taken{}, damagedPosition(pos)
		}
		free := vacantAt(pos, c.shift)
		state := cell.state.Load()
		mine := free | c.me | reading
		if state == free|ready && cell.state.CompareAndSwap(state, mine) { // observes publish
			c.head.CompareAndSwap(pos, c.next(pos))
			return c.taken(cell, mine), nil
		}
		switch err := c.cannotTake(pos, cell, state, free); {
		case err == errVacant && drained:
			return Taken{}, c.over()
		case err == errVacant && c.closed.Load() != 0:
			drained = true
		case err == errVacant:
			return Taken{}, ErrEmpty
		case err != nil:
			return Taken{}, err
		}
	}
}

// calledBack reports whether messages may have come back since somebody looked for
// them up to the epoch, which is that of now.
func (c *cells) calledBack(epoch uint32) bool {
	return epoch != c.scanned.Load() || c.lending.called()
}

// errVacant: nobody has claimed the position at head, so all messages are taken.
var errVacant = errors.New("vacant")

// cannotTake helps with whatever keeps the message at head from being taken. It
// returns nil if a new attempt is worthwhile.
func (c *cells) cannotTake(pos uint64, cell *cellHeader, state, free uint64) error {
	ahead := lapsBeyond(state, free)
	switch phase := state & phaseMask; {
	case !sound(state):
		return damagedState(state)
	case ahead > 0: // passed: head is behind
		c.skip(pos, ahead)
		return nil
	case ahead == 0 && phase == reading: // taken: head is behind
		c.head.CompareAndSwap(pos, c.after(pos, state))
		return nil
	case ahead < 0 || phase == vacant:
		return errVacant
	case phase == ready: // by now it is another's
		return nil
	case !ownerDead(c.ring.d, ownerOf(state)):
		return ErrEmpty
	}
	c.abortOfDead(cell, state)
	return nil
}

// taken hands over a cell that the caller claimed.
func (c *cells) taken(cell *cellHeader, mine uint64) Taken {
	c.ring.putEdge.acquire()
	c.passOn()
	return Taken{cells: c, cell: cell, state: mine}
}

// passOn wakes another consumer if there is something for it: a message, or, as the ring
// is closed, perhaps the end, if the caller took the last one.
func (c *cells) passOn() {
	if c.closed.Load() != 0 {
		c.wakeTaker()
	} else if c.puts.awaited() {
		c.passOnMessage()
	}
}

// passOnMessage wakes another consumer if the message at head is ready as well.
// Messages may be committed in another order than they are taken: then the
// consumer that was woken for a later one went back to sleep, and is woken now.
func (c *cells) passOnMessage() {
	if c.readyAtHead() {
		c.puts.wake(1)
	}
}

// readyAtHead reports whether there is a message to be taken.
func (c *cells) readyAtHead() bool {
	pos := c.head.Load()
	cell := c.at(pos)
	return cell != nil && pos < c.end && cell.state.Load() == vacantAt(pos, c.shift)|ready
}

// again takes one message that had been taken before: of a lease that was returned
// or whose holder is dead, or of a dead consumer's cell.
func (c *cells) again(epoch uint32) (Taken, bool, error) {
	lease, ok, err := c.ring.lender.redeliver()
	if err != nil {
		return Taken{}, false, err
	}
	if ok {
		return Taken{cells: c, lease: &lease}, true, nil
	}
	if epoch == c.scanned.Load() {
		return Taken{}, false, nil
	}
	return c.inherit(epoch)
}

// inherit takes one message that a dead consumer has not released, of those who
// died up to epoch. If there is none, it says so to everybody.
func (c *cells) inherit(epoch uint32) (Taken, bool, error) {
	scanned := c.scanned.Load()
	leases, err := c.ring.lender.table()
	if err != nil {
		return Taken{}, false, err
	}
	for i := range c.touched() {
		cell := c.cell(i)
		state := cell.state.Load()
		owner := ownerOf(state)
		if state&phaseMask != reading || !ownerDead(c.ring.d, owner) {
			continue
		}
		if state&grouped != 0 {
			c.splitGroup(cell, state)
			cell.state.CompareAndSwap(state, state&^grouped)
			state &^= grouped
		}
		if leases != nil && c.ring.lender.lent(leases, owner, c.stamp(cell, state)) {
			return c.again(epoch) // the lease counts, and its taker frees the cell
		}
		mine := state&lapMask | c.me | reading
		if cell.state.CompareAndSwap(state, mine) { // claims the message from the dead
			cell.attempt++
			return c.taken(cell, mine), true, nil
		}
	}
	c.scanned.CompareAndSwap(scanned, epoch) // fails if a later epoch was stored
	return Taken{}, false, nil
}

// touched is how many cells may have held a message: in the first lap those before
// tail, which is beyond every committed message.
func (c *cells) touched() uint64 {
	tail := c.tail.Load()
	if inFirstLap := tail>>c.shift == 0 || c.end != math.MaxUint64; !inFirstLap || tail >= c.end {
		return c.capacity
	}
	return min(tail&c.mask, c.capacity)
}
