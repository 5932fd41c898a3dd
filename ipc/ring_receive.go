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
	table, err := r.lender.table()
	if err != nil {
		return Lease{}, err
	}
	if table == nil {
		return Lease{}, orClosed(c)
	}
	if l, ok, err := r.redeliver(c); ok || err != nil { // needs no slot
		return l, err
	}
	slot, ok := r.lender.reserve(table)
	if !ok {
		if r.chain != nil || c.readyAtHead() {
			c.puts.wake(1) // one who needs no slot
		}
		return Lease{}, errAllLent
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
	if err == ErrClosed && r.lender.outstanding(table) {
		err = errOutstanding
	}
	return Lease{}, err
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

// orClosed is why a ring without leases cannot be received from.
func orClosed(c *cells) error {
	if c == detached {
		return ErrClosed
	}
	return errNoLeases
}

func (r *Ring) receiveSlow(ctx context.Context) (l Lease, err error) {
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
	c := r.cells.Load()
	c.puts.wake(1)
	c.lending.joins.wakeAll() // those who wait for the last leases
}
