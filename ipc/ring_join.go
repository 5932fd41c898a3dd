package ipc

import (
	"context"

	"github.com/mpgo/mp/internal/shared"
)

// Join waits until every message that was put has been dealt with: taken and
// released, or acknowledged. There is a moment during the call at which that is so.
// Only the context ends it before, and Detach. A message of a process that dies
// comes back, and is waited for. Each Release and Ack synchronizes before the return
// of a Join that it ends.
//
// Python: JoinableQueue.join.
func (r *Ring) Join(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.Enter() // to look may open the lease table
	defer r.Leave()
	var look census
	if idle, err := look.idle(r); idle || err != nil {
		r.observeEnds()
		return err
	}
	c := r.cells.Load()
	if c == detached {
		return ErrClosed
	}
	v := vigil{bell: &c.lending.joins}
	var err error
	waitErr := r.join.wait(ctx, func(announce bool) (bool, *shared.Uint32, uint32) {
		var rung uint32
		if announce {
			rung = v.announce()
		}
		var done bool
		done, err = look.idle(r)
		return done || err != nil, &c.lending.joins.rung, rung
	})
	v.end()
	if waitErr != nil {
		return waitErr
	}
	r.observeEnds()
	return err
}

// observeEnds comes after all messages were seen to be dealt with.
func (r *Ring) observeEnds() {
	r.freeEdge.acquire()
	r.lender.edge.acquire()
}

// wakeJoins wakes who waits for the last message, if this may have been it: while
// there is one to be taken it was not.
func (r *Ring) wakeJoins() {
	c := r.own
	if c.lending.joins.awaited() && (r.chain != nil || !c.readyAtHead()) {
		c.lending.joins.wakeAll()
	}
}

// A census finds out whether a ring has a message anywhere. It begins where it
// found one the last time, so that to ask again costs little.
type census struct{ cell, lease uint64 }

// A claimMark is a ring's tail at some moment. If it is the same later, nothing was
// put meanwhile.
type claimMark struct {
	cells *cells
	tail  uint64
}

func (r *Ring) claimed() claimMark {
	if r.chain != nil {
		return r.chain.claimed()
	}
	c := r.cells.Load()
	return claimMark{c, c.tail.Load()}
}

// idle reports whether there is none. A message moves from its cell to a lease,
// and from a lease to another holder without leaving it; so who looks at the cells
// first does not miss it. If nothing was claimed meanwhile, what was not seen to be
// there was not there at the end of looking at the cells.
func (n *census) idle(r *Ring) (bool, error) {
	table, err := r.lender.table()
	if err != nil {
		return false, err
	}
	for {
		before := r.claimed()
		if before.cells == detached {
			return false, ErrClosed
		}
		if n.busyRing(r) || n.busyLease(table) {
			return false, nil
		}
		if r.claimed() == before {
			return true, nil
		}
	}
}

// busyRing looks for a message in the ring.
func (n *census) busyRing(r *Ring) bool {
	if r.chain != nil {
		return r.chain.busy()
	}
	return n.busyCell(r.cells.Load())
}

// busyCell looks for a message in the cells.
func (n *census) busyCell(c *cells) bool {
	touched := c.touched()
	for range touched {
		if n.cell >= touched {
			n.cell = 0
		}
		if c.busy(n.cell) {
			return true
		}
		n.cell++
	}
	return false
}

// busy reports whether there is a message in a cell, or will be.
func (c *cells) busy(index uint64) bool {
	state := c.cell(index).state.Load()
	switch state & phaseMask {
	case ready:
		return !c.dropped(index, state)
	case writing:
		return !ownerDead(c.ring.d, ownerOf(state))
	}
	return state&phaseMask == reading
}

// busyLease looks for a message on lease, or returned.
func (n *census) busyLease(t *leaseTable) bool {
	if t == nil {
		return false
	}
	for range t.count {
		if n.lease >= uint64(t.count) {
			n.lease = 0
		}
		if phase := t.at(int(n.lease)).state.Load() & phaseMask; phase == ready || phase == reading {
			return true
		}
		n.lease++
	}
	return false
}
