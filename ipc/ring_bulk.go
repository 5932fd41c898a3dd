package ipc

// Bulk: batches of short messages of one length that lie in memory one behind the other.
// They are copied as they come, group by group, where other batches have a list of their
// cells first, and are faster by that. See groupSize for how a group is claimed and taken.

// PutManyQuick is PutQuick of messages of n bytes each, which lie one behind the other in
// all, in groups: as long as there are so many, and all cells of a group are free. It returns
// how many it put.
func (r *Ring) PutManyQuick(all []byte, n int) (put int) {
	c := r.cells.Load()
	if n <= 0 || n > c.quick {
		return 0
	}
	for len(all) >= groupSize*n && c.putGroup(all, n) {
		all = all[groupSize*n:]
		put += groupSize
	}
	if put > 0 {
		r.fence()
		c.tellOfPut(put)
	}
	return put
}

// putGroup puts a group of messages, if its cells are free.
func (c *cells) putGroup(all []byte, n int) bool {
	pos := c.tail.Load()
	free := vacantAt(pos, c.shift)
	mine := free | c.me | writing | grouped
	first := c.group(pos, vacant)
	if first == nil || c.closed.Load() != 0 || !first.state.CompareAndSwap(free, mine) { // observes release
		return false
	}
	moveOn(c.tail, c.after(pos, mine))
	if c.closed.Load() != 0 || c.astray(pos) { // as in claim
		c.abortGroup(first, mine)
		return false
	}
	c.ring.freeEdge.acquire()
	c.fillGroup(first, all, n)
	c.ring.putEdge.release()
	c.giveGroup(first, free|ready) // passes ownership of the cells to take
	return true
}

// abortGroup gives a claimed group back.
func (c *cells) abortGroup(first *cellHeader, mine uint64) {
	var claims [groupSize]Claimed
	for i := range claims {
		claims[i] = Claimed{c, c.cellAfter(first, i), mine &^ grouped}
	}
	claims[0].state = mine
	CommitBatch(claims[:], 0)
}

// giveGroup stores the state of the cells of a group: the first comes last. It takes effect in
// this order, but perhaps after what follows: see fence.
func (c *cells) giveGroup(first *cellHeader, state uint64) {
	for i := groupSize - 1; i >= 0; i-- {
		c.cellAfter(first, i).give(state, false)
	}
}

// fence is a full barrier: between the states of all groups and the looks for who sleeps.
func (r *Ring) fence() { r.fenced.Add(1) }

// GetManyQuick is GetQuick of as many messages of n bytes each as into has room for, in
// groups: as long as all of a group are ready. It returns how many it got, which lie one
// behind the other in into. A group in which messages have another length comes last, and
// is taken: it is the caller's to read and to release.
func (r *Ring) GetManyQuick(into []byte, n int) (got int, odd []Taken) {
	c := r.cells.Load()
	if n <= 0 || n > c.quick || c.calledBack(c.epoch.Load()) {
		return 0, nil
	}
	for len(into) >= groupSize*n && odd == nil {
		ok := false
		if ok, odd = c.getGroup(into, n); !ok {
			break
		}
		into = into[groupSize*n:]
		got += groupSize
	}
	if got > 0 {
		r.fence()
		c.tellOfGet(got)
	} else if odd != nil {
		c.passOn()
	}
	return got, odd
}

// getGroup gets a group of messages, if all are ready and have n bytes; or only takes it.
func (c *cells) getGroup(into []byte, n int) (bool, []Taken) {
	pos := c.head.Load()
	free := vacantAt(pos, c.shift)
	mine := free | c.me | reading | grouped
	first := c.group(pos, ready)
	if first == nil || !first.state.CompareAndSwap(free|ready, mine) { // observes publish
		return false, nil
	}
	moveOn(c.head, c.after(pos, mine))
	c.ring.putEdge.acquire()
	if !c.readGroup(first, into, n) {
		return false, c.groupTaken(first, mine)
	}
	c.ring.freeEdge.release()
	c.giveGroup(first, free+lapUnit) // passes ownership of the cells to claim
	return true, nil
}

// groupTaken are the messages of a taken group, for ReleaseBatch.
func (c *cells) groupTaken(first *cellHeader, mine uint64) []Taken {
	group := make([]Taken, groupSize)
	for i := range group {
		group[i] = Taken{cells: c, cell: c.cellAfter(first, i), state: mine &^ grouped}
	}
	group[0].state = mine
	return group
}
