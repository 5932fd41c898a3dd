package ipc

import (
	"context"
	"unsafe"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/noescape"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/spin"
)

// Pull reads the next record into the memory at msg, as Push writes one: quickly, if the
// calling goroutine has the favour and a record is there or comes soon; else by the
// function that Receives was given.
//
//go:nocheckptr
func (r *StreamReader) Pull(ctx context.Context, msg unsafe.Pointer, at goroutine.Place) error {
	f := r.favour.of(at)
	if f == nil {
		return r.pullOtherwise(ctx, msg, at)
	}
	next, trouble := f.Begin()
	if trouble != 0 || f.Reaches() != 0 {
		f.Undo()
		return r.pullSoon(ctx, msg, at)
	}
	if rec := f.Record(); f.length == lineLength {
		copyLine(msg, rec)
	} else {
		quickCopy(msg, rec, f.length)
	}
	if f.End(next) != 0 {
		f.Wake()
	}
	return nil
}

// Favoured is the goroutine that has the favour, or nil.
func (r *StreamReader) Favoured() *Favoured { return r.favour.to.Load() }

// Receives tells Pull the length of the messages, and has it do by f what it cannot do
// quickly. It comes before the first Pull.
func (r *StreamReader) Receives(length int, f Otherwise) { r.length, r.otherwise = length, f }

func (r *StreamReader) pullOtherwise(ctx context.Context, msg unsafe.Pointer, at goroutine.Place) error {
	r.favour.giveBack(at)
	// SAFETY: it has this length.
	b := unsafe.Slice((*byte)(noescape.Pointer(msg)), r.length)
	return r.otherwise(ctx, b, at.Hidden())
}

// pullSoon goes on where Pull knows of no record: it looks whether there is one, and waits
// for one for a moment. But where the reader has lately caught up with a writer in flow its
// looks would only slow that down, so it looks only after a lull.
func (r *StreamReader) pullSoon(ctx context.Context, msg unsafe.Pointer, at goroutine.Place) error {
	if f := r.favour.of(at); f != nil {
		r.lull.after(r.m.head.Load(), f.found, f.stride)
	}
	if r.pullNew(msg, at, 1) || r.Idle() && spin.Worthwhile() && r.pullNew(msg, at, soonLooks) {
		return nil
	}
	return r.pullOtherwise(ctx, msg, at)
}

// How often a reader looks for a record: by Pull, which takes less than minPatience; by Seek;
// and by Seek when the last record came while it looked.
const (
	soonLooks = 32
	fewLooks  = 3
	seekLooks = 12
)

// TryPull is Pull for who does not wait, and has looked by Seek if it has the favour. Who has
// not makes the pause here.
func (r *StreamReader) TryPull(msg unsafe.Pointer, at goroutine.Place) error {
	if r.Idle() {
		if r.favour.of(at) == nil {
			spin.Pause(1)
		}
		return ErrEmpty
	}
	if r.pullNew(msg, at, 1) {
		return nil
	}
	return r.pullOtherwise(atOnce, msg, at)
}

// pullNew is Pull, but looks for a record so often if it knows of none, and reports whether it
// read one.
//
//go:nocheckptr
func (r *StreamReader) pullNew(msg unsafe.Pointer, at goroutine.Place, looks int) bool {
	f := r.favour.of(at)
	if f == nil {
		return false
	}
	next, trouble := f.Begin()
	if trouble != 0 {
		trouble = f.seek(next, looks)
	}
	if trouble != 0 || f.Reaches() != 0 {
		f.Undo()
		return false
	}
	if rec := f.Record(); f.length == lineLength {
		copyLine(msg, rec)
	} else {
		quickCopy(msg, rec, f.length)
	}
	if f.End(next) != 0 {
		f.Wake()
	}
	return true
}

// seek looks so often for the record up to end, with pauses in between. It reports by 0 that
// there is one, and that the favour is still f's. Who looks more than once looks at where the
// record will be as well, if that is known, so that its line is on its way together with that of
// the tail, and not after it; a writer in flow would lose that line again and again.
//
//go:nosplit
func (f *Favoured) seek(end uint64, looks int) uint64 {
	f.answered = 0
	if !f.has() {
		return 1
	}
	r, head := f.reader, end-f.stride
	line := r.m.tail
	if f.ahead == head && looks > 1 {
		line = (*shared.Uint64)(r.record(head))
	}
	tail := lookFor(line, r.m.tail)
	for tail == head {
		if looks--; looks <= 0 {
			return 1
		}
		spin.Pause(1)
		tail = lookFor(line, r.m.tail)
	}
	if !r.stays(head, tail) || int64(r.stop-end) < 0 {
		return 1
	}
	f.found, f.stop, f.ahead, f.answered = tail-head, r.stop, nowhere, 1
	if end == f.stop {
		f.ahead = end
	}
	return 0
}

// nowhere is no position; see recordAlign.
const nowhere = 1

// lookFor loads tail, and touches another word, in the line where the next record will be.
//
//go:nosplit
func lookFor(line, tail *shared.Uint64) uint64 {
	_ = line.Load()
	return tail.Load() // observes Commit
}

// Idle reports whether there is no record yet, nor a reason why there will be none, as
// far as that is quickly known. Any goroutine may call it at any time.
func (r *StreamReader) Idle() bool {
	head := r.m.head.Load() // first: if tail is there later, nothing was between
	return r.m.tail.Load() == head && r.undisturbed()
}

// Pending reports whether there is a record, and the end is usable. Any goroutine may call
// it at any time.
func (r *StreamReader) Pending() bool {
	return r.m.tail.Load() != r.m.head.Load() && !r.gone.Load()
}

// record is where the record at head lies, or would.
//
//go:nosplit
func (r *StreamReader) record(head uint64) unsafe.Pointer {
	// SAFETY: there are mask+1 bytes, and a record begins at a multiple of recordAlign; of
	// those up to stop there are as many bytes in one piece.
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(r.ring.records)), head&r.ring.mask)
}
