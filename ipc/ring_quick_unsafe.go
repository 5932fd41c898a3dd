package ipc

import (
	"context"
	"unsafe"
)

// PutQuick is Put of a short message, at most mostQuick bytes, if that is quickly done:
// there is a free cell at tail, and nobody is in the way. It reports whether it did. It looks
// at ctx, which may be nil, now and then; see glance.
func (r *Ring) PutQuick(ctx context.Context, msg []byte) bool {
	if g := &r.putGlance; ctx != nil && (g.skips() == 0 || identityOf(&ctx) != g.last.Load()) && !g.look(ctx) {
		return false
	}
	c, n := r.cells.Load(), len(msg)
	w := c.words
	pos := w.tail.Load()
	index := pos & c.mask
	if n > c.quick || index >= c.simple || w.put.closed.Load() != 0 {
		return false
	}
	if pos&(stepCells-1) == 0 && c.leads {
		r.putLead.step(c, pos, &w.head, c.mask+1)
	}
	free := (pos - index) * c.lap
	cell, mine := c.cell(index), free|c.me|writing
	if cell.state.Load() != free || !cell.state.CompareAndSwap(free, mine) { // observes release
		return false
	}
	if (!w.tail.CompareAndSwap(pos, pos+1) || w.put.closed.Load() != 0) && !c.keeps(pos, Claimed{c, cell, mine}) {
		return false
	}
	r.freeEdge.acquire()
	// SAFETY: there is room for inline bytes, of which quick is at most as many.
	dst, src := c.message(index), unsafe.Pointer(unsafe.SliceData(msg))
	if n == lineLength {
		copyLine(dst, src)
	} else {
		quickCopy(dst, src, n)
	}
	cell.describe(uint32(n))
	r.putEdge.release()
	cell.state.Store(free | ready) // passes ownership of the cell to take
	if w.put.puts.unanswered()|w.get.frees.unanswered() != 0 {
		c.tellOfPut(1)
	}
	return true
}

// keeps reports whether a producer that was not alone with its claim at pos may keep it. If
// not, the claim is aborted. See claim.
func (c *cells) keeps(pos uint64, claimed Claimed) bool {
	if c.closed.Load() == 0 && !c.astray(pos) {
		return true
	}
	claimed.Abort()
	return false
}

// tellOfPut wakes who waits for n messages that were put, and whoever may wait for the cells
// beyond theirs.
func (c *cells) tellOfPut(n int) {
	c.tellConsumers(n)
	if c.frees.awaited() {
		c.passOnFree()
	}
}

// GetQuick is Get of a message that has as many bytes as into, at most mostQuick, if that
// is quickly done: it is ready at head, and nobody is in the way. It reports whether it
// did. A message of another length is taken, and the caller's to read and to release. It looks
// at ctx as PutQuick does.
func (r *Ring) GetQuick(ctx context.Context, into []byte) (bool, *Taken) {
	if g := &r.getGlance; ctx != nil && (g.skips() == 0 || identityOf(&ctx) != g.last.Load()) && !g.look(ctx) {
		return false, nil
	}
	c, n := r.cells.Load(), len(into)
	w := c.words
	pos := w.head.Load()
	index := pos & c.mask
	if n > c.quick || index >= c.simple || uint64(c.epoch.Load()^w.get.scanned.Load())|w.get.lending.mayBeCalled() != 0 {
		return false, nil
	}
	free := (pos - index) * c.lap
	cell, mine := c.cell(index), free|c.me|reading
	if cell.state.Load() != free|ready || !cell.state.CompareAndSwap(free|ready, mine) { // observes publish
		return false, nil
	}
	w.head.CompareAndSwap(pos, pos+1)
	if cell.length != uint32(n) {
		return false, c.odd(cell, mine)
	}
	r.putEdge.acquire()
	// SAFETY: as in PutQuick.
	dst, src := unsafe.Pointer(unsafe.SliceData(into)), c.message(index)
	if n == lineLength {
		copyLine(dst, src)
	} else {
		quickCopy(dst, src, n)
	}
	r.freeEdge.release()
	cell.state.Store(free + lapUnit) // passes ownership of the cell to claim
	if w.get.frees.unanswered()|w.put.puts.unanswered()|w.get.lending.joins.unanswered()|uint64(w.put.closed.Load()) != 0 {
		c.tellOfGet(1)
	}
	return true, nil
}

// odd hands over a message that was taken, but is not as it was expected.
func (c *cells) odd(cell *cellHeader, mine uint64) *Taken {
	t := c.taken(cell, mine)
	return &t
}

// tellOfGet wakes who waits for the n cells of messages that were consumed, or until all are,
// and whoever may wait for the messages beyond them.
func (c *cells) tellOfGet(n int) {
	c.tellProducers(n)
	c.passOn()
	if c.lending.joins.awaited() {
		c.ring.wakeJoins()
	}
}

// fillGroup fills the cells of a claimed group with messages of n bytes each, which lie one
// behind the other in all.
func (c *cells) fillGroup(first *cellHeader, all []byte, n int) {
	all = all[:groupSize*n]
	if room := c.groupRoom(first, n); room != nil {
		copy(room, all)
	} else {
		// SAFETY: the address of all, which stays within it below: message i begins i*n bytes
		// after the first.
		src := unsafe.Pointer(unsafe.SliceData(all))
		for i := range groupSize {
			// SAFETY: as in PutQuick.
			quickCopy(c.messageOf(c.cellAfter(first, i)), unsafe.Add(src, i*n), n)
		}
	}
	c.describeGroup(first, uint32(n))
}

// readGroup copies the messages of a taken group to into, one behind the other. It reports
// whether all have n bytes; if not, nothing was copied.
func (c *cells) readGroup(first *cellHeader, into []byte, n int) bool {
	if !c.groupHas(first, uint32(n)) {
		return false
	}
	into = into[:groupSize*n]
	if room := c.groupRoom(first, n); room != nil {
		copy(into, room)
		return true
	}
	// SAFETY: as in fillGroup.
	dst := unsafe.Pointer(unsafe.SliceData(into))
	for i := range groupSize {
		// SAFETY: as in PutQuick.
		quickCopy(unsafe.Add(dst, i*n), c.messageOf(c.cellAfter(first, i)), n)
	}
	return true
}

// groupRoom is where the messages of the group that begins with first lie, if they have n
// bytes each, with nothing in between; or nil.
func (c *cells) groupRoom(first *cellHeader, n int) []byte {
	if !c.layout.apart() || uint64(n) != c.layout.room {
		return nil
	}
	// SAFETY: the group is in the ring, and so are as many rooms from its first one on.
	return unsafe.Slice((*byte)(c.messageOf(first)), groupSize*n)
}
