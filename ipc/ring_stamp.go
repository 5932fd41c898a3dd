package ipc

// A stamp names one position of a ring for those who keep something that belongs
// to the message there: the cell's index in the low 32 bits, the position's lap,
// as the cell's state has it, in the high 31.
//
// Pending tells from the ring's memory alone whether the message of a stamp is
// still to be had, so that what belongs to it is given back after any death.

const stampIndex = 1<<32 - 1

// Stamp names the claimed position.
func (c Claimed) Stamp() uint64 {
	return c.state>>lapShift<<32 | c.cells.first.offset(c.cell)/c.cells.stride
}

// Pending reports whether the position of the ring in mem that stamp names may
// still come to be consumed: its message is being written by a live process, is
// ready, or is being read. mem is not trusted to be a ring.
func Pending(d Domain, mem []byte, stamp uint64) bool {
	c, err := openCells(mem)
	if err != nil {
		return false
	}
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
