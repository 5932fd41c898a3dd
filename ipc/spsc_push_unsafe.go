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
	// SAFETY: stop was computed from the length of the ring: from tail&mask to where
	// end is, there is room in one piece for n bytes, which msg has.
	rec := unsafe.Add(unsafe.Pointer(unsafe.SliceData(w.ring.records)), tail&w.ring.mask)
	quickCopy(rec, unsafe.Pointer(unsafe.SliceData(msg)), n)
	storeRelease(w.m.tail, end) // passes ownership of the record to Take
	if w.peer.waiting.Load() != 0 {
		w.peer.ring()
	}
	return true
}

// Idle reports whether there is no record yet, nor a reason why there will be none, as
// far as that is quickly known. Any goroutine may call it at any time.
func (r *StreamReader) Idle() bool {
	head := r.m.head.Load() // first: if tail is there later, nothing was between
	return r.m.tail.Load() == head && r.undisturbed()
}

// Pull reads the next record into msg if that is quickly done, and reports whether it
// did; see Push.
func (r *StreamReader) Pull(msg []byte) bool {
	to := r.favour.to.Load()
	if to == nil || to.goroutine != goroutine.Self() {
		return false
	}
	n, head := len(msg), to.next.Load()
	next := head + r.m.stride
	if n != r.m.fixed || r.peer.barrier.Load() != 1 {
		return false
	}
	storeRelease(&to.next, next)
	if r.favour.to.Load() != to || !r.has(head, next) {
		storeRelease(&to.next, head)
		return false
	}
	// SAFETY: from head&mask on there are n bytes of the ring in one piece, and msg has n.
	rec := unsafe.Add(unsafe.Pointer(unsafe.SliceData(r.ring.records)), head&r.ring.mask)
	quickCopy(unsafe.Pointer(unsafe.SliceData(msg)), rec, n)
	storeRelease(r.m.head, next) // passes ownership of the memory to TryClaim
	if r.peer.waiting.Load() != 0 {
		r.peer.ring()
	}
	return true
}

// Looks of PullSoon; they take less than minPatience.
const soonLooks = 32

// PullSoon is Pull, but looks again for a moment if there is no record yet. It does not
// where the reader has lately caught up with a writer in flow, which its looks would
// only slow down: see lull.
func (r *StreamReader) PullSoon(msg []byte) bool {
	if r.Idle() && !r.stirs() {
		return false
	}
	return r.Pull(msg)
}

// stirs looks for a moment whether the end stays idle.
func (r *StreamReader) stirs() bool {
	if !spin.Worthwhile() || !r.lull.needless(r.m.head.Load(), r.m.stride) {
		return false
	}
	for range soonLooks {
		spin.Pause(1)
		if !r.Idle() {
			return true
		}
	}
	return false
}

// has reports whether there is a record from head to next, in one piece.
func (r *StreamReader) has(head, next uint64) bool {
	if int64(r.tail-next) < 0 {
		tail := r.m.tail.Load() // observes Commit
		if tail == head || !r.extend(head, tail) || int64(r.tail-next) < 0 {
			return false
		}
	}
	return r.ring.until(head) >= r.m.stride
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
