package ipc

import (
	"context"
	"unsafe"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/noescape"
)

// atOnce is no context: who is given it does not wait.
var atOnce context.Context

// Otherwise is how those send or receive who cannot do it quickly: under a lock of their
// own, between Withdraw and Grant, to which they give the Place. The memory is that of
// Push and Pull, and is not kept.
type Otherwise func(ctx context.Context, msg []byte, at goroutine.Place) error

// Push writes a copy of the memory at msg as one record, which has the length that Sends was
// given. Unlike the rest it may be called by any goroutine at any time. If the calling one,
// whose Place is given, has the favour, and there is room in one piece, it is quickly done; else
// by the function that Sends was given. Who has the favour need not call it; see Favoured.
//
// Of a record that is written in flow, the stores count: a CPU keeps some 50 or 60 of
// them until it has the lines that they go to, and the reader's look at the tail takes
// that line away for 100 ns or more. In a bare loop in C between two processes a record
// with 3 stores took 6 ns, with 5 10, with 15 23, with 25 27; if the reader looks rarely
// and records are fetched early 5, 6 and 10. So nothing is called before the record is
// there, as what is needed after a call is stored before it.
//
//go:nocheckptr
func (w *StreamWriter) Push(ctx context.Context, msg unsafe.Pointer, at goroutine.Place) error {
	f := w.favour.of(at)
	if f == nil {
		return w.pushOtherwise(ctx, msg, at)
	}
	end, trouble := f.Begin()
	if trouble != 0 && f.Again(end) != 0 || f.Hears() != 0 {
		f.Undo()
		return w.pushOtherwise(ctx, msg, at)
	}
	if rec := f.Record(); f.length == lineLength {
		copyLine(rec, msg)
	} else {
		quickCopy(rec, msg, f.length)
	}
	f.Tell()
	if waiting := f.End(end); waiting != 0 || f.Due(end) {
		f.After(waiting)
	}
	return nil
}

// Favoured is the goroutine that has the favour, or nil.
func (w *StreamWriter) Favoured() *Favoured { return w.favour.to.Load() }

// Sends tells Push the length of the messages, and has it do by f what it cannot do
// quickly. It comes before the first Push.
func (w *StreamWriter) Sends(length int, f Otherwise) { w.length, w.otherwise = length, f }

func (w *StreamWriter) pushOtherwise(ctx context.Context, msg unsafe.Pointer, at goroutine.Place) error {
	w.favour.giveBack(at)
	// SAFETY: it has this length.
	b := unsafe.Slice((*byte)(noescape.Pointer(msg)), w.length)
	return w.otherwise(ctx, b, at.Hidden())
}

// again begins a lap in the small ring, if there is room for the record up to end. Where the large
// one comes to its end, a look is due whether to turn.
//
//go:nosplit
func (w *StreamWriter) again(f *Favoured, end uint64) bool {
	if w.turn&turnToSmall == 0 {
		return false
	}
	if w.told != nil {
		if read := w.told.Load(); read != nothingRead && w.begins(f, end, read) { // observes Tell, of the other side
			return true
		}
	}
	return w.begins(f, end, w.m.head.Load()) // observes Release
}

// begins is again if the reader is at head, or beyond.
//
//go:nosplit
func (w *StreamWriter) begins(f *Favoured, end, head uint64) bool {
	tail, limit := end-f.stride, w.free(head)
	stop := tail + min(w.ring.until(tail), limit-tail)
	if int64(limit-tail) < 0 || limit-tail > w.ring.size() || int64(stop-end) < 0 {
		return false
	}
	w.limit, w.stop, f.stop = limit, stop, stop
	return true
}
