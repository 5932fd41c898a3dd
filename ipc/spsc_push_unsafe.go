package ipc

import (
	"unsafe"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/spin"
)

// mostQuick is the largest record that Push and Pull copy.
const mostQuick = 256

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
	if n != w.m.fixed || int64(w.stop-end) < 0 || w.peer.barrier.Load() != 1 || w.peer.closed.Load() != endOpen {
		return false
	}
	storeRelease(&to.next, end)
	if w.favour.to.Load() != to {
		storeRelease(&to.next, tail)
		return false
	}
	// SAFETY: stop was computed from the length of records: from tail&mask to where
	// end is, there is room in one piece for n bytes, which msg has.
	rec := unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.m.records)), tail&w.m.mask)
	quickCopy(rec, unsafe.Pointer(unsafe.SliceData(msg)), n)
	storeRelease(w.m.tail, end) // passes ownership of the record to Take
	if w.peer.waiting.Load() != 0 {
		w.peer.ring()
	}
	return true
}

// Pull reads the next record into msg if that is quickly done; see Push. It reports
// whether it did, and otherwise whether it is known that there is no record yet, nor
// a reason why there will be none.
func (r *StreamReader) Pull(msg []byte) (done, empty bool) {
	to := r.favour.to.Load()
	if to == nil || to.goroutine != goroutine.Self() {
		return false, false
	}
	n, head := len(msg), to.next.Load()
	if r.tail == head && r.m.tail.Load() == head {
		return false, r.undisturbed()
	}
	next, at := head+r.m.stride, head&r.m.mask
	if n != r.m.fixed || at+r.m.stride > uint64(len(r.m.records)) || r.peer.barrier.Load() != 1 {
		return false, false
	}
	storeRelease(&to.next, next)
	if r.favour.to.Load() != to || !r.has(head, next) {
		storeRelease(&to.next, head)
		return false, false
	}
	// SAFETY: from at on there are n bytes of records in one piece, and msg has n.
	rec := unsafe.Add(unsafe.Pointer(unsafe.SliceData(r.m.records)), at)
	quickCopy(unsafe.Pointer(unsafe.SliceData(msg)), rec, n)
	storeRelease(r.m.head, next) // passes ownership of the memory to TryClaim
	if r.peer.waiting.Load() != 0 {
		r.peer.ring()
	}
	return true, false
}

// Looks of PullSoon; they take less than minPatience.
const soonLooks = 32

// PullSoon is Pull, but looks again for a moment if there is no record yet. It does not
// where the reader has lately caught up with a writer in flow, which its looks would
// only slow down: see lull.
func (r *StreamReader) PullSoon(msg []byte) bool {
	done, empty := r.Pull(msg)
	if !empty || !spin.Worthwhile() || !r.lull.needless(r.m.head.Load(), r.m.stride) {
		return done
	}
	for range soonLooks {
		spin.Pause(1)
		if done, empty = r.Pull(msg); !empty {
			return done
		}
	}
	return false
}

// has reports whether the writer has got as far as next.
func (r *StreamReader) has(head, next uint64) bool {
	if int64(r.tail-next) >= 0 {
		return true
	}
	tail := r.m.tail.Load() // observes Commit
	if int64(tail-next) < 0 || tail-head > uint64(len(r.m.records)) || tail&(recordAlign-1) != 0 {
		return false
	}
	r.tail = tail
	return true
}

// quickCopy copies n bytes, at most mostQuick, without a call.
func quickCopy(dst, src unsafe.Pointer, n int) {
	// SAFETY: both have n bytes: each step stays below n, and the last 16 of 16 bytes
	// or more begin at 0 or above.
	switch {
	case n >= 16:
		for i := 0; i < n-16; i += 16 {
			*(*[16]byte)(unsafe.Add(dst, i)) = *(*[16]byte)(unsafe.Add(src, i))
		}
		*(*[16]byte)(unsafe.Add(dst, n-16)) = *(*[16]byte)(unsafe.Add(src, n-16))
	case n == 8:
		*(*uint64)(dst) = *(*uint64)(src)
	default:
		for i := range n {
			*(*byte)(unsafe.Add(dst, i)) = *(*byte)(unsafe.Add(src, i))
		}
	}
}
