package ipc

import (
	"context"
	"unsafe"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/noescape"
	"github.com/mpgo/mp/internal/prefetch"
)

// atOnce is no context: who is given it does not wait.
var atOnce context.Context

// Otherwise is how those send or receive who cannot do it quickly: under a lock of their
// own, between Withdraw and Grant, to which they give the Place. The memory is that of
// Push and Pull, and is not kept.
type Otherwise func(ctx context.Context, msg []byte, at goroutine.Place) error

// Push writes a copy of the memory at msg as one record, which has the length that Sends was
// given. Unlike the rest it may be called by any goroutine at any time. If the calling one has
// the favour, and there is room in one piece, it is quickly done; else by the function that
// Sends was given.
//
// Of a record that is written in flow, the stores count: a CPU keeps some 50 or 60 of
// them until it has the lines that they go to, and the reader's look at the tail takes
// that line away for 100 ns or more. In a bare loop in C between two processes a record
// with 3 stores took 6 ns, with 5 10, with 15 23, with 25 27; if the reader looks rarely
// and records are fetched early 5, 6 and 10. So neither Push nor its caller calls anything
// before the record is there, as what is needed after a call is stored before it.
//
//go:nosplit
func (w *StreamWriter) Push(ctx context.Context, msg unsafe.Pointer) error {
	var here byte
	to := w.favour.to.Load()
	if to == nil || to.block != goroutine.BlockOf(&here) {
		return w.pushOtherwise(ctx, msg, goroutine.At(&here))
	}
	tail := to.next.Load()
	end := tail + w.m.stride
	storeRelease(&to.next, end)
	if w.favour.to.Load() != to || int64(w.stop-end) < 0 || !w.goesOn() {
		storeRelease(&to.next, tail)
		return w.pushSoon(ctx, msg, goroutine.At(&here))
	}
	rec := w.record(tail)
	if w.m.fixed == lineLength {
		copyLine(rec, msg)
	} else {
		quickCopy(rec, msg, w.m.fixed)
	}
	if w.reads != nil {
		storeRelease(w.m.read, w.reads.Load()) // observed in again, of the other side
	}
	storeRelease(w.m.tail, end) // passes ownership of the record to Take
	storeRelease(&to.done, end)
	if w.peer.waiting.Load() != 0 {
		return w.wake()
	}
	if fetchAt(tail, end) && int64(w.stop-end) >= fetchTo {
		// SAFETY: up to stop there is the ring, and nothing is stored or loaded.
		prefetch.ForWriting(unsafe.Add(rec, fetchFrom), fetchStep/lineLength, lineLength)
	}
	return nil
}

// goesOn reports whether the reader has not closed, and makes barriers for this end.
//
//go:nosplit
func (w *StreamWriter) goesOn() bool {
	return w.peer.barrier.Load() == 1 && w.peer.closed.Load() == endOpen
}

// record is where the record at tail goes, if it goes up to stop at most.
//
//go:nosplit
func (w *StreamWriter) record(tail uint64) unsafe.Pointer {
	// SAFETY: stop was computed from the length of the ring: from tail&mask to where stop
	// is, there is room in one piece, and for a message, as Grant has seen.
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.ring.records)), tail&w.ring.mask)
}

// pushSoon goes on where Push knows of no room: it may begin a lap in the small ring.
func (w *StreamWriter) pushSoon(ctx context.Context, msg unsafe.Pointer, at goroutine.Place) error {
	if w.pushNew(msg, at) {
		return nil
	}
	return w.pushOtherwise(ctx, msg, at)
}

// pushNew is Push, but looks for room if it knows of none, and reports whether it wrote the
// record.
//
//go:nosplit
func (w *StreamWriter) pushNew(msg unsafe.Pointer, at goroutine.Place) bool {
	to := w.favour.of(at)
	if to == nil {
		return false
	}
	tail := to.next.Load()
	end := tail + w.m.stride
	storeRelease(&to.next, end)
	if w.favour.to.Load() != to || int64(w.stop-end) < 0 && !w.again(tail, end) || !w.goesOn() {
		storeRelease(&to.next, tail)
		return false
	}
	quickCopy(w.record(tail), msg, w.m.fixed)
	if w.reads != nil {
		storeRelease(w.m.read, w.reads.Load())
	}
	storeRelease(w.m.tail, end)
	storeRelease(&to.done, end)
	_ = w.wake()
	return true
}

// wake wakes the reader if it waits. The error is nil.
func (w *StreamWriter) wake() error {
	w.Rouse()
	return nil
}

// Sends tells Push the length of the messages, and has it do by f what it cannot do
// quickly. It comes before the first Push.
func (w *StreamWriter) Sends(length int, f Otherwise) { w.length, w.otherwise = length, f }

func (w *StreamWriter) pushOtherwise(ctx context.Context, msg unsafe.Pointer, at goroutine.Place) error {
	w.favour.giveBack(at)
	// SAFETY: it has this length.
	b := unsafe.Slice((*byte)(noescape.Pointer(msg)), w.length)
	return w.otherwise(ctx, b, at.Hidden())
}

// A writer in flow fetches records for writing before they come, if it knows that the
// reader will not touch them: every fetchStep bytes those from fetchFrom to fetchTo bytes
// ahead. That is as long a way as the CPUs are from each other: so many records are
// written while a line comes 500 ns.
const (
	fetchStep = 4 * lineLength
	fetchFrom = 32 * lineLength
	fetchTo   = fetchFrom + fetchStep
)

// fetchAt reports whether it is time to fetch at a record from one position to another.
func fetchAt(from, to uint64) bool { return (from^to)&^(fetchStep-1) != 0 }

// again begins a lap in the small ring, if there is room from tail to end. Where it comes
// to an end in the large one, a look is due whether to turn.
//
//go:nosplit
func (w *StreamWriter) again(tail, end uint64) bool {
	if w.turn&turnToSmall == 0 {
		return false
	}
	if w.told != nil {
		if read := w.told.Load(); read != nothingRead && w.begins(tail, end, read) { // observes Push, of the other side
			return true
		}
	}
	return w.begins(tail, end, w.m.head.Load()) // observes Release
}

// begins is again if the reader is at head, or beyond.
//
//go:nosplit
func (w *StreamWriter) begins(tail, end, head uint64) bool {
	limit := w.free(head)
	stop := tail + min(w.ring.until(tail), limit-tail)
	if int64(limit-tail) < 0 || limit-tail > w.ring.size() || int64(stop-end) < 0 {
		return false
	}
	w.limit, w.stop = limit, stop
	return true
}
