package ipc

import (
	"context"

	"github.com/mpgo/mp/internal/shared"
)

// A Claimed cell is the caller's to fill. It must be given back, by Commit or by
// Abort, once: until then it holds up the messages behind it.
type Claimed struct {
	cells *cells
	cell  *cellHeader
	state uint64 // {lap, writing, me}, which nobody else changes while we live
}

// Bytes is the room for a message, Inline bytes long. It holds whatever was there
// before. It may not be used after Commit or Abort.
func (c Claimed) Bytes() []byte { return c.cells.bytes(c.cell, c.cells.inline) }

// Commit publishes the first n bytes as a message. From then on no kill can lose
// it. It panics if n is not within Inline.
func (c Claimed) Commit(n int) {
	c.publish(n)
	c.cells.tellConsumers(1)
}

// publish is Commit without the wake-up. This passes ownership of the cell to
// take.
func (c Claimed) publish(n int) {
	c.note(n)
	c.cell.state.Store(c.state&lapMask | ready)
}

// note says how long the message is, before it is published.
func (c Claimed) note(n int) {
	c.cells.mustFit(n)
	c.cell.describe(uint32(n))
	c.cells.ring.putEdge.release()
}

func (c *cells) mustFit(n int) {
	if uint(n) > uint(c.inline) {
		panic("ipc: Commit of more bytes than the cell has")
	}
}

// Abort gives the cell back without a message.
func (c Claimed) Abort() {
	c.cell.state.Store(passed(c.state))
	c.cells.wakeTaker() // who waits for this position goes on to the next, or to the end
	c.cells.frees.wake(1)
	if c.cells.lending.joins.awaited() {
		c.cells.ring.wakeJoins()
	}
}

// Claim gives the caller the next free cell, and waits for one if need be.
// The error is ErrClosed or the context's.
func (r *Ring) Claim(ctx context.Context) (Claimed, error) {
	if err := ctx.Err(); err != nil {
		return Claimed{}, err
	}
	c, err := r.claim()
	if err == ErrFull {
		return r.claimSlow(ctx)
	}
	return c, err
}

// TryClaim is Claim, but returns ErrFull where Claim would wait.
func (r *Ring) TryClaim() (Claimed, error) { return r.claim() }

// claim makes one attempt.
func (r *Ring) claim() (Claimed, error) {
	c := r.cells.Load()
	if r.chain == nil || c == detached {
		return c.claim()
	}
	return r.chain.claim()
}

func (r *Ring) claimSlow(ctx context.Context) (c Claimed, err error) {
	r.put.enter() // as receiveSlow
	defer r.put.leave()
	cells := r.cells.Load()
	if r.putLull.passFull(cells, flowLull) {
		if c, err = cells.claim(); err != ErrFull {
			return c, err
		}
	}
	v := vigil{bell: cells.frees}
	waitErr := r.put.wait(ctx, func(announce bool) (bool, *shared.Uint32, uint32) {
		var rung uint32
		if announce {
			rung = v.announce()
		}
		c, err = cells.claim() // observes release
		return err != ErrFull, &cells.frees.rung, rung
	})
	v.end()
	if waitErr != nil {
		return Claimed{}, waitErr
	}
	return c, err
}

// claim makes one attempt at the cell at tail.
func (c *cells) claim() (Claimed, error) {
	for { // again if others changed the cell, or tail was behind
		if c.closed.Load() != 0 {
			c.ring.putEdge.acquire()
			return Claimed{}, ErrClosed
		}
		pos := c.tail.Load()
		if pos >= c.end {
			return Claimed{}, errPassed
		}
		cell := c.at(pos)
		if cell == nil {
			return Claimed{}, damagedPosition(pos)
		}
		free := vacantAt(pos, c.shift)
		state := cell.state.Load()
		if state != free {
			if err := c.cannotClaim(pos, cell, state, free); err != nil {
				return Claimed{}, err
			}
			continue
		}
		mine := free | c.me | writing
		if !cell.state.CompareAndSwap(free, mine) { // observes release
			continue
		}
		claimed := Claimed{c, cell, mine}
		if !c.tail.CompareAndSwap(pos, c.next(pos)) && c.astray(pos) {
			claimed.Abort()
			continue
		}
		if c.closed.Load() != 0 { // once more, after the CAS: see Closing
			claimed.Abort()
			c.ring.putEdge.acquire()
			return Claimed{}, ErrClosed
		}
		c.ring.freeEdge.acquire()
		if c.frees.awaited() {
			c.passOnFree()
		}
		return claimed, nil
	}
}

// cannotClaim helps with whatever keeps the cell at tail from being claimed. It
// returns nil if a new attempt is worthwhile.
func (c *cells) cannotClaim(pos uint64, cell *cellHeader, state, free uint64) error {
	ahead := lapsBeyond(state, free)
	switch {
	case !sound(state):
		return damagedState(state)
	case ahead > 0: // passed: tail is behind
		return c.help(pos, ahead)
	case ahead == 0 && state&phaseMask != vacant: // claimed: tail is behind
		c.tail.CompareAndSwap(pos, c.after(pos, state))
		return nil
	case state&phaseMask == writing && ownerDead(c.ring.d, ownerOf(state)):
		c.abortOfDead(cell, state)
		return nil
	}
	return ErrFull
}

// abortOfDead passes the cells that a dead producer had claimed.
func (c *cells) abortOfDead(cell *cellHeader, state uint64) {
	c.dropMembers(cell, state)
	cell.state.CompareAndSwap(state, passed(state)) // claims the cell from the dead
	c.puts.wake(1)                                  // who waits for this position goes on to the next
	c.frees.wake(cellsOf(state))
}

// help moves tail past pos, whose cell is so far ahead. That is at most one lap:
// nobody can have claimed a position of the next lap without having read that lap in
// tail.
func (c *cells) help(pos uint64, ahead int64) error {
	if ahead > lapUnit && c.tail.Load() == pos {
		return damagedPosition(pos)
	}
	c.tail.CompareAndSwap(pos, c.next(pos))
	return nil
}

// skip moves head past pos, whose cell is so far ahead. That may be some laps: those
// who claimed gave up, or died, and nobody has looked at head since. A position is
// claimed only when the one a lap before it is passed; so all are passed that lie two
// laps before the cell's.
func (c *cells) skip(pos uint64, ahead int64) {
	laps := uint64(max(ahead/lapUnit-2, 0))
	c.head.CompareAndSwap(pos, c.next(pos+laps<<(c.shift&63)))
}

// after is the position after all that the state of the cell at pos says to be claimed,
// or taken.
func (c *cells) after(pos, state uint64) uint64 {
	return c.next(pos + uint64(cellsOf(state)) - 1)
}

// moveOn moves a hint to pos, unless others have moved it there or beyond.
func moveOn(hint *shared.Uint64, pos uint64) {
	for { // again if somebody helped
		at := hint.Load()
		if int64(pos-at) <= 0 || hint.CompareAndSwap(at, pos) {
			return
		}
	}
}

// astray reports whether tail is so far from pos that the state which was found
// at pos must have been that of another lap. See "Laps go round".
func (c *cells) astray(pos uint64) bool {
	away := int64(c.tail.Load()>>c.shift - pos>>c.shift)
	return away < -1 || away > 1<<29
}

// passOnFree wakes another producer if the cell at tail is free as well. Cells
// may be freed in another order than they are claimed: then the producer that
// was woken for a later one went back to sleep, and is woken now.
func (c *cells) passOnFree() {
	pos := c.tail.Load()
	if cell := c.at(pos); cell != nil && cell.state.Load() == vacantAt(pos, c.shift) {
		c.frees.wake(1)
	}
}
