package ipc

import "github.com/mpgo/mp/internal/spin"

// Bulk: batches of short messages of one length that lie in memory one behind the other.
// Their groups are remembered, where other batches have a list of their cells, and they are
// copied a group at a time. They are faster by that. See groupSize for how a group is claimed
// and taken.

// A bulk is groups of a ring, one behind the other. They are claimed, or taken, before any of
// their messages is copied: a CAS waits until all that was stored before is in the cache, so
// that each copy between two of them would wait for the lines of the one before.
type bulk struct {
	cells  *cells
	groups [bulkGroups]*cellHeader // the first cell of each
	free   [bulkGroups]uint64      // the state of a vacant one
	n      int
	end    uint64 // the position behind the last
}

// bulkGroups is how many groups are claimed or taken at once, at most.
const bulkGroups = 8

// find finds groups in a phase from pos on, as many as that at most.
func (b *bulk) find(c *cells, pos, phase uint64, most int) {
	b.cells, b.n, b.end = c, 0, pos
	for b.n < min(most, bulkGroups) {
		first := c.group(b.end, phase)
		if first == nil {
			return
		}
		b.groups[b.n], b.free[b.n] = first, vacantAt(b.end, c.shift)
		b.end = c.after(b.end, grouped)
		b.n++
	}
}

// claim makes the groups this process's, by as many steps from one phase to the next one; those
// that others were faster with it forgets. pos is where the first one is.
func (b *bulk) claim(pos, from, to uint64) {
	c, n := b.cells, 0
	for b.end = pos; n < b.n; n++ {
		free := b.free[n]
		if !b.groups[n].state.CompareAndSwap(free|from, free|c.me|to|grouped) { // observes publish, or release
			break
		}
		b.end = c.after(b.end, grouped)
	}
	b.n = n
}

// give stores the state of all cells, so far from a vacant one.
func (b *bulk) give(beyond uint64) {
	for i, first := range b.groups[:b.n] {
		b.cells.giveGroup(first, b.free[i]+beyond)
	}
}

// PutManyQuick puts messages of n bytes each, which lie one behind the other in all, in groups,
// if that is quickly done: as long as there are so many, and all cells of a group are free. It
// returns how many it put. If the ring is full it tries again after the lull that is due.
func (r *Ring) PutManyQuick(all []byte, n int) (put int) {
	c := r.cells.Load()
	if n <= 0 || n > c.quick || len(all) < groupSize*n {
		return 0
	}
	put = c.putBulks(all, n)
	if put == 0 && spin.Worthwhile() && c.isFull() && r.putLull.pass(c.tail.Load(), 1, c.capacity) {
		put = c.putBulks(all, n)
	}
	if put > 0 {
		r.fence()
		_ = c.tellOfPut(put)
	}
	return put
}

// isFull reports whether nobody can put before the cell at tail is released.
func (c *cells) isFull() bool {
	pos := c.tail.Load()
	cell := c.at(pos)
	return cell != nil && lapsBeyond(cell.state.Load(), vacantAt(pos, c.shift)) < 0
}

// isDrained reports whether nobody can get before a message at head is published.
func (c *cells) isDrained() bool {
	pos := c.head.Load()
	cell := c.at(pos)
	if cell == nil {
		return false
	}
	state := cell.state.Load()
	ahead := lapsBeyond(state, vacantAt(pos, c.shift))
	return ahead < 0 || ahead == 0 && (state&phaseMask == vacant || state&phaseMask == writing)
}

// putBulks puts as many messages as it can.
func (c *cells) putBulks(all []byte, n int) (put int) {
	for {
		k := c.putBulk(all, n)
		if k == 0 {
			return put
		}
		all = all[k*n:]
		put += k
	}
}

// putBulk puts as many messages as it can in one go.
func (c *cells) putBulk(all []byte, n int) int {
	var b bulk
	pos := c.tail.Load()
	if b.find(c, pos, vacant, len(all)/(groupSize*n)); b.n == 0 || c.closed.Load() != 0 {
		return 0
	}
	b.claim(pos, vacant, writing)
	moveOn(c.tail, b.end)                                   // before anything is published
	if b.n > 0 && (c.closed.Load() != 0 || c.astray(pos)) { // as in claim
		b.abort()
		return 0
	}
	c.ring.freeEdge.acquire()
	for i, first := range b.groups[:b.n] {
		c.fillGroup(first, all[i*groupSize*n:], n)
	}
	c.ring.putEdge.release()
	b.give(ready) // passes ownership of the cells to take
	return b.n * groupSize
}

// abort gives claimed groups back.
func (b *bulk) abort() {
	for i, first := range b.groups[:b.n] {
		b.cells.abortGroup(first, b.free[i]|b.cells.me|writing|grouped)
	}
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

// GetManyQuick gets as many messages of n bytes each as into has room for, in groups, if that is
// quickly done: as long as all of a group are ready. It returns how many it got, which lie one
// behind the other in into. A group in which messages have another length comes last, and
// is taken: it is the caller's to read and to release. Who is patient, and finds the ring
// drained, tries again after the lull that is due.
func (r *Ring) GetManyQuick(into []byte, n int, patient bool) (got int, odd []Taken) {
	c := r.cells.Load()
	if n <= 0 || n > c.quick || len(into) < groupSize*n {
		return 0, nil
	}
	if c.calledBack(c.epoch.Load()) {
		return 0, nil
	}
	got, odd = c.getBulks(into, n)
	if patient && got == 0 && odd == nil && spin.Worthwhile() && c.isDrained() && r.getLull.pass(c.head.Load(), 1, c.capacity) {
		got, odd = c.getBulks(into, n)
	}
	if got > 0 {
		r.fence()
		_ = c.tellOfGet(got)
	} else if odd != nil {
		c.passOn()
	}
	return got, odd
}

// getBulks gets as many messages as it can.
func (c *cells) getBulks(into []byte, n int) (got int, odd []Taken) {
	for {
		k := 0
		if k, odd = c.getBulk(into, n); k == 0 {
			return got, odd
		}
		into = into[k*n:]
		got += k
	}
}

// getBulk gets as many messages as it can in one go; or, if those of the first group have
// another length, it only takes them.
func (c *cells) getBulk(into []byte, n int) (got int, odd []Taken) {
	var b bulk
	pos := c.head.Load()
	b.find(c, pos, ready, len(into)/(groupSize*n))
	found := b.n
	b.keepAlike(uint32(n))
	if found == 0 {
		return 0, nil
	}
	different := b.n == 0
	if different {
		b.n = 1
	}
	b.claim(pos, ready, reading)
	if b.n == 0 {
		return 0, nil
	}
	moveOn(c.head, b.end)
	c.ring.putEdge.acquire()
	if different {
		return 0, c.groupTaken(b.groups[0], b.free[0]|c.me|reading|grouped)
	}
	for i, first := range b.groups[:b.n] {
		c.readGroup(first, into[i*groupSize*n:], n)
	}
	c.ring.freeEdge.release()
	b.give(lapUnit) // passes ownership of the cells to claim
	return b.n * groupSize, nil
}

// keepAlike forgets the first group in which a message has not n bytes, and those behind it. What
// is ready keeps its length until somebody has taken it.
func (b *bulk) keepAlike(n uint32) {
	for i, first := range b.groups[:b.n] {
		if !b.cells.groupHas(first, n) {
			b.n = i
			return
		}
	}
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
