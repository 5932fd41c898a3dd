package ipc

import "github.com/mpgo/mp/shm"

// A stamp names one position of a ring for those who keep something that belongs
// to the message there: the cell's index in the low 32 bits, the position's lap,
// as the cell's state has it, in the high 31.
//
// Pending tells from the ring's memory alone whether the message of a stamp is
// still to be had, so that what belongs to it is given back after any death.

const stampIndex = 1<<32 - 1

// Stamp names the claimed position.
func (c Claimed) Stamp() uint64 { return c.cells.stamp(c.cell, c.state) }

// stamp names the position at which a cell has this state.
func (c *cells) stamp(cell *cellHeader, state uint64) uint64 {
	return state>>lapShift<<32 | c.indexOf(cell)
}

// Names are the words by which the users of the ring in mem find what else belongs
// to it: that of SetLeaseTable, and the two Notes. mem is not trusted to be a ring.
func Names(mem []byte) (leases uint64, notes [2]uint64) {
	c, err := openCells(mem)
	if err != nil {
		return 0, notes
	}
	return c.lending.table.Load(), [2]uint64{c.notes[0].Load(), c.notes[1].Load()}
}

// Pending reports whether the position of the ring in mem that stamp names may
// still come to be consumed: its message is being written by a live process, is
// ready, is being read, or is out on a lease. peek finds the memory of the lease
// table, and of segments, by their names, or nil. No memory is trusted.
func Pending(d Domain, mem []byte, peek func(name uint64) []byte, stamp uint64) bool {
	c, err := openCells(mem)
	if err != nil {
		return false
	}
	found := c.pending(d, stamp)
	eachInChain(mem, peek, func(_ uint64, segment []byte) bool {
		own, err := openCells(segment)
		found = found || err == nil && own.pending(d, stamp)
		return !found
	})
	if table := c.lending.table.Load(); !found && table != 0 { // in this order: see Lease
		return lentFrom(peek(table), stamp)
	}
	return found
}

func (c *cells) pending(d Domain, stamp uint64) bool {
	cell := c.atIndex(stamp & stampIndex)
	if cell == nil {
		return false
	}
	state := cell.state.Load()
	if state>>lapShift != stamp>>32 {
		return false
	}
	switch state & phaseMask {
	case writing:
		return d.Alive(ownerOf(state))
	case ready, reading:
		return true
	}
	return false
}

// passDead passes the position that stamp names if a dead process still has it.
func (r *Ring) passDead(stamp uint64, owner shm.Incarnation) bool {
	r.own.passDead(stamp, owner)
	return true
}

func (c *cells) passDead(stamp uint64, owner shm.Incarnation) {
	cell := c.atIndex(stamp & stampIndex)
	if cell == nil {
		return
	}
	state := stamp>>32<<lapShift | ownerField(owner) | reading
	if cell.state.CompareAndSwap(state, passed(state)) {
		c.frees.wake(1)
	}
}
