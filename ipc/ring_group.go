package ipc

// A group is groupSize cells, one after the other, that are claimed, or taken, by one
// CAS. Only batches do so. To claim cells one by one costs a CAS each on a line that the
// other side had last, and each waits for the one before; that they all are free, or
// ready, is found out by loads, which do not wait for each other. (Measured with a
// prototype between two processes, 64 messages of 64 bytes at a time: 34 ns a message
// with single cells, 24 with groups of 4, 21 with groups of 8 or more.)
//
// The first cell of a group has the flag grouped in its state, and speaks for the
// others, its members, which have no owner:
//
//	claimed   {l, writing, P, grouped}  the members are vacant, then ready
//	taken     {l, reading, C, grouped}  the members are ready, then passed
//
// Why one CAS is enough: positions are claimed in order. If all of a group were seen to
// be vacant in lap l, and the first one still was when the CAS came, then nobody had
// claimed any of them; and from then on whoever comes to the first one goes on behind the
// last one, or waits. It is the same with taking. A group does not go beyond the last
// index: all its positions are of one lap.
//
// The first cell is given back last. So nobody gets to the members before all are given
// back, and a group is there as a whole or not at all:
//
//	killed before the first is {l, ready}    the group is aborted: members that are ready
//	                                         are dropped, then the first one is passed
//	killed before the first is {l+1, vacant} the group is split: members that are ready
//	                                         become {l, reading, dead} like any message
//	                                         of the dead, then the first one loses its
//	                                         flag
//
// Both are done by anybody, by several at once, and may be broken off anywhere by
// another kill: each step is a CAS that expects what it found, none of a member succeeds
// when the group is given back, and as long as the first cell is as it was somebody else
// begins again.
const groupSize = groupCells

// cellsOf is how many cells the state of one says to be claimed, or taken.
func cellsOf(state uint64) int {
	if state&grouped != 0 {
		return groupSize
	}
	return 1
}

// group is the group of cells from pos on if all of them are in the state {lap, phase},
// nil if not, or if there are not as many.
func (c *cells) group(pos, phase uint64) *cellHeader {
	index := pos & c.mask
	if index+groupSize > c.capacity {
		return nil
	}
	state := vacantAt(pos, c.shift) | phase
	first := c.cell(index)
	if !c.groupIs(first, state) {
		return nil
	}
	return first
}

// member is cell i of the group that begins with first, or nil: the flag was read from
// shared memory.
func (c *cells) member(first *cellHeader, i uint64) *cellHeader {
	return c.atIndex(c.indexOf(first) + i)
}

// dropMembers makes the members of a dead producer's group passed. It does nothing if
// state is of a single cell.
func (c *cells) dropMembers(first *cellHeader, state uint64) {
	c.eachOrphan(first, state, func(cell *cellHeader, s uint64) {
		cell.state.CompareAndSwap(s, passed(s))
	})
}

// splitGroup makes the messages of a dead consumer's group single ones that it had
// taken. It does nothing if state is of a single cell.
func (c *cells) splitGroup(first *cellHeader, state uint64) {
	c.eachOrphan(first, state, func(cell *cellHeader, s uint64) {
		if s&phaseMask == ready {
			cell.state.CompareAndSwap(s, state&^grouped)
		}
	})
}

// eachOrphan visits those members of a dead owner's group that have no owner of their own,
// the last one first, as long as the first cell is as it was.
func (c *cells) eachOrphan(first *cellHeader, state uint64, visit func(cell *cellHeader, s uint64)) {
	for i := uint64(cellsOf(state)) - 1; i > 0; i-- {
		cell := c.member(first, i)
		if cell == nil {
			return
		}
		s := cell.state.Load()
		if first.state.Load() != state { // after s: so s is of this lap
			return
		}
		if s&lapMask == state&lapMask && ownerOf(s) == 0 {
			visit(cell, s)
		}
	}
}

// dropped reports whether a cell that is ready in this state belongs to a group that its
// dead producer has not committed.
func (c *cells) dropped(index, state uint64) bool {
	for i := uint64(1); i < groupSize && i <= index; i++ {
		s := c.cell(index - i).state.Load()
		if s&grouped != 0 && s&phaseMask == writing && s&lapMask == state&lapMask {
			return ownerDead(c.ring.d, ownerOf(s))
		}
	}
	return false
}
