package ipc

import (
	"unsafe"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/prefetch"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/spin"
)

// Push writes a copy of msg as one record if that is quickly done: all records have
// its length, there is room in one piece, and the calling goroutine has the favour.
// It reports whether it did. Unlike the rest it may be called by any goroutine at
// any time.
//
// Of a record that is written in flow, the stores count: not how many they are, but
// how often they go to another line than the one before (in a bare loop in C, 9.7 ns
// for the record and tail alone, 11.3 with one more line, 17 with several). The
// likely reason is the store buffer, which limits how many records a CPU can be
// ahead of the lines it waits for.
func (w *StreamWriter) Push(msg []byte) bool {
	to := w.favour.to.Load()
	if to == nil || to.goroutine != goroutine.Self() {
		return false
	}
	n, tail := len(msg), to.next.Load()
	end := tail + w.m.stride
	if n != w.m.fixed || w.peer.barrier.Load() != 1 || w.peer.closed.Load() != endOpen {
		return false
	}
	storeRelease(&to.next, end)
	if w.favour.to.Load() != to || int64(w.stop-end) < 0 && !w.again(tail, end) {
		storeRelease(&to.next, tail)
		return false
	}
	// SAFETY: stop was computed from the length of the ring: from tail&mask to where
	// end is, there is room in one piece for n bytes, which msg has.
	rec := unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.ring.records)), tail&w.ring.mask)
	if src := unsafe.Pointer(unsafe.SliceData(msg)); n == lineLength {
		copyLine(rec, src)
	} else {
		quickCopy(rec, src, n)
	}
	if fetchAt(tail, end) && int64(w.stop-end) >= fetchTo {
		prefetch.ForWriting(unsafe.Add(rec, fetchFrom), fetchStep/lineLength, lineLength)
	}
	storeRelease(w.m.read, w.reads.Load()) // observed in again, of the other side
	storeRelease(w.m.tail, end)            // passes ownership of the record to Take
	if w.peer.waiting.Load() != 0 {
		w.peer.ring()
	}
	return true
}

// Who is in flow fetches records before they come, if it knows that the other side will not
// touch them: every fetchStep bytes those from fetchFrom to fetchTo bytes ahead; see lead.
const (
	fetchStep = 4 * lineLength
	fetchFrom = 8 * lineLength
	fetchTo   = fetchFrom + fetchStep
)

// fetchAt reports whether it is time to fetch at a record from one position to another.
func fetchAt(from, to uint64) bool { return (from^to)&^(fetchStep-1) != 0 }

// again begins a lap in the small ring, if there is room from tail to end. Where it comes
// to an end in the large one, a look is due whether to turn.
func (w *StreamWriter) again(tail, end uint64) bool {
	if w.turn&turnToSmall == 0 {
		return false
	}
	if read := w.told.Load(); read != nothingRead && w.begins(tail, end, read) { // observes Push, of the other side
		return true
	}
	return w.begins(tail, end, w.m.head.Load()) // observes Release
}

// begins is again if the reader is at head, or beyond.
func (w *StreamWriter) begins(tail, end, head uint64) bool {
	limit := w.free(head)
	stop := tail + min(w.ring.until(tail), limit-tail)
	if int64(limit-tail) < 0 || limit-tail > w.ring.size() || int64(stop-end) < 0 {
		return false
	}
	w.limit, w.stop = limit, stop
	return true
}

// Idle reports whether there is no record yet, nor a reason why there will be none, as
// far as that is quickly known. Any goroutine may call it at any time.
func (r *StreamReader) Idle() bool {
	head := r.m.head.Load() // first: if tail is there later, nothing was between
	return r.m.tail.Load() == head && r.undisturbed()
}

// Pull reads the next record into msg if that is quickly done, and reports whether it
// did; see Push. If there is none it looks as often as that, with pauses in between; so
// what comes meanwhile takes the same way from there, which the CPU can foresee. Who looks
// more than once looks at the record as well, where its place is known, so that its line is
// on its way together with that of the tail, and not after it; a writer in flow would lose
// that line again and again.
func (r *StreamReader) Pull(msg []byte, looks int) bool {
	to := r.favour.to.Load()
	if to == nil || to.goroutine != goroutine.Self() {
		return false
	}
	n, head := len(msg), to.next.Load()
	next := head + r.m.stride
	if n != r.m.fixed || r.peer.barrier.Load() != 1 {
		return false
	}
	tail := head // unless there is nothing else up to stop
	if int64(r.stop-next) < 0 {
		ahead := to.ahead
		if looks <= 1 {
			ahead = nil
		}
		for tail = r.lookFor(ahead); tail == head; tail = r.lookFor(ahead) {
			if looks--; looks <= 0 {
				return false
			}
			spin.Pause(1)
		}
	}
	storeRelease(&to.next, next)
	if r.favour.to.Load() != to || tail != head && !(r.stays(head, tail) || r.extend(head, tail)) || int64(r.stop-next) < 0 {
		storeRelease(&to.next, head)
		return false
	}
	// SAFETY: stop was computed from the length of the ring: from head&mask to where stop is
	// there are n bytes or more in one piece, and msg has n.
	rec := r.record(head)
	if dst := unsafe.Pointer(unsafe.SliceData(msg)); n == lineLength {
		copyLine(dst, rec)
	} else {
		quickCopy(dst, rec, n)
	}
	if next == r.stop {
		to.ahead = (*shared.Uint64)(r.record(next))
	} else if fetchAt(head, next) && int64(r.stop-next) >= fetchTo {
		prefetch.ForReading(unsafe.Add(rec, fetchFrom), fetchStep/lineLength, lineLength)
	}
	storeRelease(r.m.head, next) // passes ownership of the memory to TryClaim
	if r.peer.waiting.Load() != 0 {
		r.peer.ring()
	}
	return true
}

// Looks of PullSoon; they take less than minPatience.
const soonLooks = 32

// PullSoon is what follows a Pull that found nothing: it looks for a moment. It does not
// where the reader has lately caught up with a writer in flow, which its looks would
// only slow down: see lull.
func (r *StreamReader) PullSoon(msg []byte) bool {
	if r.Idle() && !(spin.Worthwhile() && r.lull.needless(r.m.head.Load(), r.m.stride)) {
		return false
	}
	return r.Pull(msg, soonLooks)
}

// lookFor loads tail, and touches where the next record will be, if that is known.
func (r *StreamReader) lookFor(ahead *shared.Uint64) uint64 {
	if ahead != nil {
		_ = ahead.Load()
	}
	return r.m.tail.Load() // observes Commit
}

// record is where the record at head lies, or would.
func (r *StreamReader) record(head uint64) unsafe.Pointer {
	// SAFETY: there are mask+1 bytes, and a record begins at a multiple of recordAlign.
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(r.ring.records)), head&r.ring.mask)
}
