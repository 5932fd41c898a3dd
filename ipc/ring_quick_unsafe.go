package ipc

import "unsafe"

// PutQuick is Put of a short message, at most mostQuick bytes, if that is quickly done:
// there is a free cell at tail, and nobody is in the way. It reports whether it did.
func (r *Ring) PutQuick(msg []byte) bool {
	c, n := r.cells.Load(), len(msg)
	if n > c.quick {
		return false
	}
	w := c.words
	pos := w.tail.Load()
	index := pos & c.mask
	free := pos >> (c.shift & 63) << lapShift
	if index >= c.capacity || w.put.closed.Load() != 0 {
		return false
	}
	if pos&(stepCells-1) == 0 && c.leads {
		r.putLead.step(c, pos, &w.head, c.mask+1)
	}
	cell := c.first.at(index * c.stride)
	mine := free | c.me | writing
	if cell.state.Load() != free || !cell.state.CompareAndSwap(free, mine) { // observes release
		return false
	}
	if !w.tail.CompareAndSwap(pos, c.next(pos)) && c.astray(pos) || w.put.closed.Load() != 0 { // as in claim
		Claimed{c, cell, mine}.Abort()
		return false
	}
	r.freeEdge.acquire()
	// SAFETY: the cell has room for inline bytes, of which quick is at most as many.
	dst, src := unsafe.Add(unsafe.Pointer(cell), cellHeaderSize), unsafe.Pointer(unsafe.SliceData(msg))
	if n == lineLength {
		copyLine(dst, src)
	} else {
		quickCopy(dst, src, n)
	}
	cell.describe(uint32(n))
	r.putEdge.release()
	cell.state.Store(free | ready) // passes ownership of the cell to take
	if w.put.puts.awaited() {
		c.tellConsumers(1)
	}
	if w.get.frees.awaited() {
		c.passOnFree()
	}
	return true
}

// GetQuick is Get of a message that has as many bytes as into, at most mostQuick, if that
// is quickly done: it is ready at head, and nobody is in the way. It reports whether it
// did. A message of another length is taken, and the caller's to read and to release.
func (r *Ring) GetQuick(into []byte) (bool, *Taken) {
	c, n := r.cells.Load(), len(into)
	if n > c.quick {
		return false, nil
	}
	w := c.words
	pos := w.head.Load()
	index := pos & c.mask
	free := pos >> (c.shift & 63) << lapShift
	if index >= c.capacity || c.epoch.Load() != w.get.scanned.Load() || w.get.lending.mayBeCalled() {
		return false, nil
	}
	if pos&(stepCells-1) == 0 && c.leads {
		r.getLead.step(c, pos, &w.tail, 0)
	}
	cell := c.first.at(index * c.stride)
	if cell.state.Load() != free|ready || !cell.state.CompareAndSwap(free|ready, free|c.me|reading) { // observes publish
		return false, nil
	}
	w.head.CompareAndSwap(pos, c.next(pos))
	if cell.length != uint32(n) {
		odd := c.taken(cell, free|c.me|reading)
		return false, &odd
	}
	r.putEdge.acquire()
	// SAFETY: as in PutQuick.
	dst, src := unsafe.Pointer(unsafe.SliceData(into)), unsafe.Add(unsafe.Pointer(cell), cellHeaderSize)
	if n == lineLength {
		copyLine(dst, src)
	} else {
		quickCopy(dst, src, n)
	}
	r.freeEdge.release()
	cell.state.Store(free + lapUnit) // passes ownership of the cell to claim
	if w.get.frees.awaited() {
		c.tellProducers(1)
	}
	if w.put.closed.Load() != 0 || w.put.puts.awaited() {
		c.passOn()
	}
	if w.get.lending.joins.awaited() {
		r.wakeJoins()
	}
	return true, nil
}

// fillGroup fills the cells of a claimed group with messages of n bytes each, which lie one
// behind the other in all.
func (c *cells) fillGroup(first *cellHeader, all []byte, n int) {
	all = all[:groupSize*n]
	// SAFETY: the address of all, which stays within it below: message i begins i*n bytes
	// after the first.
	src := unsafe.Pointer(unsafe.SliceData(all))
	for i := range groupSize {
		h := c.cellAfter(first, i)
		// SAFETY: as in PutQuick.
		dst, from := unsafe.Add(unsafe.Pointer(h), cellHeaderSize), unsafe.Add(src, i*n)
		if n == lineLength {
			copyLine(dst, from)
		} else {
			quickCopy(dst, from, n)
		}
		h.describe(uint32(n))
	}
}

// readGroup copies the messages of a taken group to into, one behind the other. It reports
// whether all have n bytes; if not, nothing was copied.
func (c *cells) readGroup(first *cellHeader, into []byte, n int) bool {
	for i := range groupSize {
		if c.cellAfter(first, i).length != uint32(n) {
			return false
		}
	}
	into = into[:groupSize*n]
	// SAFETY: as in fillGroup.
	dst := unsafe.Pointer(unsafe.SliceData(into))
	for i := range groupSize {
		// SAFETY: as in fillGroup.
		to, src := unsafe.Add(dst, i*n), unsafe.Add(unsafe.Pointer(c.cellAfter(first, i)), cellHeaderSize)
		if n == lineLength {
			copyLine(to, src)
		} else {
			quickCopy(to, src, n)
		}
	}
	return true
}
