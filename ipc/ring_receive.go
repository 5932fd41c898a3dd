package ipc

import (
	"context"
	"errors"

	"github.com/mpgo/mp/internal/shared"
)

var (
	// errAllLent: every slot of the lease table is in use.
	errAllLent = errors.New("all leases are out")

	// errOutstanding: the ring is drained, but others have messages that may come back.
	errOutstanding = errors.New("others have the last messages")

	// errNoLeases: the ring has no lease table.
	errNoLeases = errors.New("ipc: the ring has no leases yet")
)

// Leases tells the ring how this process finds the memory of its lease table, by
// the name that SetLeaseTable gave it. It is called before the ring is used.
func (r *Ring) Leases(open func(name uint64) ([]byte, error)) { r.lender.open = open }

// HasLeases reports whether the ring has a lease table.
func (r *Ring) HasLeases() bool { return r.lender.words.table.Load() != 0 }

// SetLeaseTable gives the ring a lease table: a block of memory that InitLeases
// was called with, and that every process can open by name, which is not 0. It
// reports false if the ring has another one already.
func (r *Ring) SetLeaseTable(name uint64) bool {
	return r.lender.words.table.CompareAndSwap(0, name) // publishes the table
}

// Receive gives the caller the next message on lease, and waits for one if need
// be, or for a lease to be acknowledged if all are out. The error is ErrClosed if
// the ring is closed and drained, and nobody else has a message on lease that
// might come back, or the context's.
func (r *Ring) Receive(ctx context.Context) (Lease, error) {
	if err := ctx.Err(); err != nil {
		return Lease{}, err
	}
	l, err := r.receive()
	if waits(err) {
		return r.receiveSlow(ctx)
	}
	return l, err
}

// TryReceive is Receive, but returns ErrEmpty where Receive would wait.
func (r *Ring) TryReceive() (Lease, error) {
	l, err := r.receive()
	if waits(err) {
		err = ErrEmpty
	}
	return l, err
}

// waits reports whether a Receive that failed with err should wait.
func waits(err error) bool { return err == ErrEmpty || err == errAllLent || err == errOutstanding }

// receive makes one attempt.
func (r *Ring) receive() (Lease, error) {
	c := r.cells.Load()
	if c == detached {
		return Lease{}, ErrClosed
	}
	table, err := r.lender.table()
	if err != nil {
		return Lease{}, err
	}
	if table == nil {
		return Lease{}, errNoLeases
	}
	if l, ok, err := r.redeliver(c); ok || err != nil { // needs no slot
		return l, err
	}
	slot, ok := r.lender.reserve(table)
	if !ok {
		return Lease{}, r.withoutSlot(c, table)
	}
	t, err := r.take()
	switch {
	case err == nil && t.lease == nil:
		return slot.lend(t)
	case err == nil:
		slot.giveUp()
		return *t.lease, nil
	}
	slot.giveUp()
	if err == ErrClosed {
		err = r.orOutstanding(table)
	}
	return Lease{}, err
}

// withoutSlot is why a message cannot be received if no slot of the table is vacant.
func (r *Ring) withoutSlot(c *cells, table *leaseTable) error {
	switch err := r.readable(); err {
	case ErrClosed:
		_ = c.over()
		return r.orOutstanding(table)
	case nil:
		c.puts.wake(1) // one who needs no slot
	case ErrEmpty:
	default:
		return err
	}
	return errAllLent
}

// orOutstanding is why there is no message in a ring that is closed and drained: others
// have none that may come back, or some. A message on its way from its cell to a lease is
// in the cell until it is on the lease, so who looks at the cells first does not miss it.
func (r *Ring) orOutstanding(t *leaseTable) error {
	if r.readElsewhere() || r.lender.outstanding(t) {
		return errOutstanding
	}
	return ErrClosed
}

// readElsewhere reports whether another process reads a message in its cell.
func (r *Ring) readElsewhere() bool {
	if r.chain != nil {
		return r.chain.readElsewhere()
	}
	return r.cells.Load().readElsewhere()
}

func (c *cells) readElsewhere() bool {
	for i := range c.touched() {
		state := c.cell(i).state.Load()
		if state&phaseMask == reading && ownerOf(state) != c.ring.d.Self() {
			return true
		}
	}
	return false
}

// redeliver looks for a lease that came back, if there may be one.
func (r *Ring) redeliver(c *cells) (Lease, bool, error) {
	switch {
	case r.chain != nil && (c.epoch.Load() != r.chain.seen.Load() || c.lending.called()):
		return r.chain.redeliver()
	case r.chain == nil && (c.epoch.Load() != c.scanned.Load() || c.lending.called()):
		return r.lender.redeliver()
	}
	return Lease{}, false, nil
}

func (r *Ring) receiveSlow(ctx context.Context) (l Lease, err error) {
	r.lease.enter() // what comes after the waiting is waited for by Detach
	defer r.lease.leave()
	c, table := r.cells.Load(), r.lender.opened.Load()
	messages, slots, joins := vigil{bell: c.puts}, vigil{bell: table.frees}, vigil{bell: &c.lending.joins}
	var clock alarmClock
	waitErr := r.lease.wait(ctx, func(announce bool) (bool, *shared.Uint32, uint32) {
		var onMessage, onSlot, onJoin uint32
		if announce {
			onMessage, onSlot, onJoin = messages.announce(), slots.announce(), joins.announce()
		}
		l, err = r.receive()
		if announce && waits(err) {
			clock.set(r.lender, r.lease.ring)
		}
		switch err {
		case errAllLent:
			return false, &table.frees.rung, onSlot
		case errOutstanding:
			return false, &c.lending.joins.rung, onJoin
		}
		return err != ErrEmpty, &c.puts.rung, onMessage
	})
	messages.end()
	slots.end()
	joins.end()
	clock.stop()
	c.passOnAlarm()
	if waitErr != nil {
		return Lease{}, waitErr
	}
	return l, err
}

// wakeConsumer is for a message that came back.
func (r *Ring) wakeConsumer() {
	c := r.own
	c.wakeTaker()
	c.lending.joins.wakeAll() // those who wait for the last leases
}
