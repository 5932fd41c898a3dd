package ipc

import (
	"context"
	"unsafe"

	"github.com/mpgo/mp/internal/noescape"
)

// Plainly is how those put or get who cannot do it quickly. The memory has the length that
// Plain was given, and is not kept.
type Plainly struct {
	// Put puts a message. If ctx is nil it does not wait.
	Put func(ctx context.Context, msg []byte) error
	// Get gets one, likewise. If there is an odd one, that was taken already, is the first,
	// and Get's to release.
	Get func(ctx context.Context, into []byte, odd *Taken) error
}

// Plain tells PutQuick and GetQuick how long messages are, and what to do if it is not
// quickly done. It comes before the first of them.
func (r *Ring) Plain(length int, otherwise Plainly) {
	r.plain, r.otherwise = length, otherwise
}

// PutQuick puts the message at msg: by itself, if that is quickly done, as there is a free
// cell at tail, and nobody is in the way; else by what Plain was given. It looks at ctx,
// which may be nil, now and then; see glance.
//
// As of Push, the stores count that it and its callers make, and calls before the end cost
// some; so whatever is out of the ordinary is done elsewhere, and comes last.
func (r *Ring) PutQuick(ctx context.Context, msg unsafe.Pointer) error {
	c, n := r.cells.Load(), r.plain
	w := c.words
	pos := w.tail.Load()
	if ctx != nil && r.putGlance.last.Load() != identityOf(&ctx) {
		return r.putLooking(ctx, msg)
	}
	index := pos & c.mask
	if n > c.quick || index >= c.simple {
		return r.putOtherwise(ctx, msg)
	}
	free := (pos - index) * c.lap
	cell, mine := c.cell(index), free|c.me|writing
	if cell.state.Load() != free {
		return r.putOtherwise(ctx, msg)
	}
	if !cell.state.CompareAndSwap(free, mine) { // observes release
		return r.putOtherwise(ctx, msg)
	}
	if !w.tail.CompareAndSwap(pos, pos+1) || w.put.closed.Load() != 0 {
		return r.putPerhaps(ctx, msg, pos, Claimed{c, cell, mine})
	}
	r.freeEdge.acquire()
	// SAFETY: there is room for inline bytes, of which quick is at most as many.
	if dst := c.message(index); n == lineLength {
		copyLine(dst, msg)
	} else {
		quickCopy(dst, msg, n)
	}
	cell.describe(uint32(n))
	r.putEdge.release()
	cell.state.Store(free | ready) // passes ownership of the cell to take
	if dueAt(pos) {
		r.putGlance.forget()
	}
	if w.put.puts.unanswered()|w.get.frees.unanswered() != 0 {
		return c.tellOfPut(1)
	}
	if pos&(stepCells-1) == 0 && c.leads {
		return r.putLead.step(c, pos, &w.head, c.mask+1)
	}
	return nil
}

// putLooking looks at the context first.
func (r *Ring) putLooking(ctx context.Context, msg unsafe.Pointer) error {
	if !r.putGlance.look(ctx) {
		return r.putOtherwise(ctx, msg)
	}
	return r.PutQuick(ctx, msg)
}

// putPerhaps goes on where a producer was not alone with its claim: it keeps it, or not.
func (r *Ring) putPerhaps(ctx context.Context, msg unsafe.Pointer, pos uint64, claimed Claimed) error {
	c := claimed.cells
	if !c.keeps(pos, claimed) {
		return r.putOtherwise(ctx, msg)
	}
	r.freeEdge.acquire()
	// SAFETY: as in PutQuick.
	quickCopy(c.message(c.indexOf(claimed.cell)), msg, r.plain)
	claimed.publish(r.plain)
	if dueAt(pos) {
		r.putGlance.forget()
	}
	return c.tellOfPut(1)
}

func (r *Ring) putOtherwise(ctx context.Context, msg unsafe.Pointer) error {
	// SAFETY: it has this length.
	return r.otherwise.Put(ctx, unsafe.Slice((*byte)(noescape.Pointer(msg)), r.plain))
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
// beyond theirs. The error is nil.
func (c *cells) tellOfPut(n int) error {
	c.tellConsumers(n)
	if c.frees.awaited() {
		c.passOnFree()
	}
	return nil
}

// GetQuick gets a message into the memory at into: by itself, if that is quickly done, as
// one of that length is ready at head, and nobody is in the way; else by what Plain was
// given. It looks at ctx as PutQuick does.
func (r *Ring) GetQuick(ctx context.Context, into unsafe.Pointer) error {
	c, n := r.cells.Load(), r.plain
	w := c.words
	pos := w.head.Load()
	if ctx != nil && r.getGlance.last.Load() != identityOf(&ctx) {
		return r.getLooking(ctx, into)
	}
	index := pos & c.mask
	if n > c.quick || index >= c.simple {
		return r.getOtherwise(ctx, into, nil)
	}
	if uint64(c.epoch.Load()^w.get.scanned.Load())|w.get.lending.mayBeCalled() != 0 {
		return r.getOtherwise(ctx, into, nil)
	}
	free := (pos - index) * c.lap
	cell, mine := c.cell(index), free|c.me|reading
	if cell.state.Load() != free|ready {
		return r.getOtherwise(ctx, into, nil)
	}
	if !cell.state.CompareAndSwap(free|ready, mine) { // observes publish
		return r.getOtherwise(ctx, into, nil)
	}
	w.head.CompareAndSwap(pos, pos+1)
	if cell.length != uint32(n) {
		return r.getOdd(ctx, into, Taken{cells: c, cell: cell, state: mine})
	}
	r.putEdge.acquire()
	// SAFETY: as in PutQuick.
	if src := c.message(index); n == lineLength {
		copyLine(into, src)
	} else {
		quickCopy(into, src, n)
	}
	r.freeEdge.release()
	cell.state.Store(free + lapUnit) // passes ownership of the cell to claim
	if dueAt(pos) {
		r.getGlance.forget()
	}
	if w.get.frees.unanswered()|w.put.puts.unanswered()|w.get.lending.joins.unanswered()|uint64(w.put.closed.Load()) != 0 {
		return c.tellOfGet(1)
	}
	return nil
}

func (r *Ring) getLooking(ctx context.Context, into unsafe.Pointer) error {
	if !r.getGlance.look(ctx) {
		return r.getOtherwise(ctx, into, nil)
	}
	return r.GetQuick(ctx, into)
}

// getOdd goes on with a message that was taken, but is not as it was expected.
func (r *Ring) getOdd(ctx context.Context, into unsafe.Pointer, odd Taken) error {
	odd = odd.cells.taken(odd.cell, odd.state)
	return r.getOtherwise(ctx, into, &odd)
}

func (r *Ring) getOtherwise(ctx context.Context, into unsafe.Pointer, odd *Taken) error {
	// SAFETY: it has this length.
	return r.otherwise.Get(ctx, unsafe.Slice((*byte)(noescape.Pointer(into)), r.plain), odd)
}

// tellOfGet wakes who waits for the n cells of messages that were consumed, or until all are,
// and whoever may wait for the messages beyond them. The error is nil.
func (c *cells) tellOfGet(n int) error {
	c.tellProducers(n)
	c.passOn()
	if c.lending.joins.awaited() {
		c.ring.wakeJoins()
	}
	return nil
}

// fill fills the cells with messages of n bytes each, which lie one behind the other in all.
func (b *bulk) fill(all []byte, n int) {
	if room := b.room(n); room != nil {
		copy(room, all)
	} else {
		// SAFETY: the address of all, which stays within it below: message i begins i*n bytes
		// after the first.
		src := unsafe.Pointer(unsafe.SliceData(all))
		for i := range b.count() {
			// SAFETY: as in PutQuick.
			quickCopy(b.message(i), unsafe.Add(src, i*n), n)
		}
	}
	for i := range b.n {
		b.cells.describeGroup(b.group(i), uint32(n))
	}
}

// read copies the messages, n bytes of each, to into, one behind the other.
func (b *bulk) read(into []byte, n int) {
	if room := b.room(n); room != nil {
		copy(into, room)
		return
	}
	// SAFETY: as in fill.
	dst := unsafe.Pointer(unsafe.SliceData(into))
	for i := range b.count() {
		// SAFETY: as in PutQuick.
		quickCopy(unsafe.Add(dst, i*n), b.message(i), n)
	}
}

// message is where the message of cell i lies.
func (b *bulk) message(i int) unsafe.Pointer { return b.cells.messageOf(b.cells.cellAfter(b.first, i)) }

// room is where the messages lie, if they have n bytes each, with nothing in between; or nil.
func (b *bulk) room(n int) []byte {
	if !b.cells.layout.apart() || uint64(n) != b.cells.layout.room {
		return nil
	}
	// SAFETY: the groups are in the ring, and so are as many rooms from the first one on.
	return unsafe.Slice((*byte)(b.message(0)), b.count()*n)
}
