package ipc

import (
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/spin"
)

// Bulk: batches of short messages of one length that lie in memory one behind the other.
// Their groups lie one behind the other as well, where other batches have a list of their cells,
// and where messages leave no gaps all are copied at once. They are faster by that. See groupSize
// for how a group is claimed and taken.

// A bulk is groups of a ring, one behind the other in one lap. They are claimed, or taken,
// before any of their messages is copied: a CAS waits until all that was stored before is in
// the cache, so that each copy between two of them would wait for the lines of the one before.
type bulk struct {
	cells *cells
	pos   uint64
	first *cellHeader // the cell there
	free  uint64      // its state, and that of the others, when vacant
	n     int         // how many groups
}

// bulkGroups is how many groups are claimed or taken at once, at most.
const bulkGroups = 8

// bulk finds groups in a phase from pos on, as many as most and bulkGroups.
func (c *cells) bulk(pos, phase uint64, most int) bulk {
	index := pos & c.mask
	if index >= c.capacity {
		return bulk{}
	}
	b := bulk{cells: c, pos: pos, first: c.cell(index), free: vacantAt(pos, c.shift)}
	most = min(most, bulkGroups, int(c.capacity-index)/groupSize)
	for b.n < most && c.groupIs(b.group(b.n), b.free|phase) {
		b.n++
	}
	return b
}

// group is the first cell of group i.
func (b *bulk) group(i int) *cellHeader { return b.cells.cellAfter(b.first, i*groupSize) }

// count is how many cells these are.
func (b *bulk) count() int { return b.n * groupSize }

// end is the position behind them, of which there is at least one.
func (b *bulk) end() uint64 { return b.cells.next(b.pos + uint64(b.count()) - 1) }

// claim makes the groups this process's, by as many steps from one phase to the next one, and
// moves the hint past them; those that others were faster with it forgets. It reports whether
// some are left.
func (b *bulk) claim(hint *shared.Uint64, from, to uint64) bool {
	found := b.n
	for b.n = 0; b.n < found; b.n++ {
		mine := b.free | b.cells.me | to | grouped
		if !b.group(b.n).state.CompareAndSwap(b.free|from, mine) { // observes publish, or release
			break
		}
	}
	if b.n == 0 {
		return false
	}
	moveOn(hint, b.end())
	return true
}

// give stores the state of all cells: in each group, the first comes last. They take effect in
// this order, but perhaps after what follows: see fence.
func (b *bulk) give(state uint64) {
	_ = b.first.state.Load() // the atomic operation that storeRelease must come after, as in cellHeader.give
	for i := range b.n {
		b.cells.giveGroup(b.group(i), state)
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
	if put == 0 && spin.Worthwhile() && c.isFull() && r.putLull.passFull(c, bulkLull) {
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
	pos := c.tail.Load()
	b := c.bulk(pos, vacant, len(all)/(groupSize*n))
	if b.n == 0 || c.closed.Load() != 0 || !b.claim(c.tail, vacant, writing) { // tail moves before anything is published
		return 0
	}
	if c.closed.Load() != 0 || c.astray(pos) { // as in claim
		b.abort()
		return 0
	}
	c.ring.freeEdge.acquire()
	b.fill(all, n)
	c.ring.putEdge.release()
	b.give(b.free | ready) // passes ownership of the cells to take
	return b.count()
}

// abort gives claimed groups back.
func (b *bulk) abort() {
	for i := range b.n {
		b.cells.abortGroup(b.group(i), b.free|b.cells.me|writing|grouped)
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
	if patient && got == 0 && odd == nil && spin.Worthwhile() && c.isDrained() && r.getLull.passDrained(c, bulkLull) {
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
	b := c.bulk(c.head.Load(), ready, len(into)/(groupSize*n))
	if b.n == 0 {
		return 0, nil
	}
	alike := b.alike(uint32(n))
	b.n = max(alike, 1)
	if !b.claim(c.head, ready, reading) {
		return 0, nil
	}
	c.ring.putEdge.acquire()
	if alike == 0 {
		return 0, c.groupTaken(b.first, b.free|c.me|reading|grouped)
	}
	b.read(into, n)
	c.ring.freeEdge.release()
	b.give(b.free + lapUnit) // passes ownership of the cells to claim
	return b.count(), nil
}

// alike is how many groups there are before the first one in which a message has not n bytes.
// What is ready keeps its length until somebody has taken it.
func (b *bulk) alike(n uint32) int {
	for i := range b.n {
		if !b.cells.groupHas(b.group(i), n) {
			return i
		}
	}
	return b.n
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
