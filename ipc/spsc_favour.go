package ipc

import (
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
)

// A favour lets one goroutine of a process use an end of a stream, by Push or Pull,
// without a lock while others might want to, for next to nothing. A lock costs an
// operation that waits until all that was stored before is in the cache: for a
// writer in flow that means that it waits for the reader's lines at each record.
//
// Those who use the end in other ways hold a lock of their own, and with it the right
// to grant the favour and to withdraw it. The positions are those of the end: next is
// the favoured goroutine's, shared is the one in shared memory.
//
//	Push, Pull                              withdraw, under the lock
//	(1) look: the favour is mine            (a) nobody has the favour
//	(2) next = shared + a record            (b) sys.Barrier
//	(3) look again: it is still             (c) wait while next = shared + a record
//	(4) copy the record
//	(5) shared = next
//
// If (3) sees the favour, (2) came before the barrier, so that (c) waits for (5). If
// not, (2) is undone; that may be going on while (c) looks, so the position is what
// (c) has compared and is not read again. Nothing but (b) is a barrier.
// TestFavourProtocol goes through all orders of the steps, and shows that none can be
// left out. Each grant to another goroutine
// makes another favoured, so that one which is stopped between (1) and (2), for
// however long, spoils nothing but its own.
//
// To withdraw the favour takes microseconds. So it is granted only to a goroutine
// that has come some times in a row, and each withdrawal doubles how often that must
// be.
type favour struct {
	to atomic.Pointer[favoured]

	// Guarded by the lock of those who use the end in other ways.
	last   *favoured // whom it was granted to, or who came last
	row    uint32    // how often in a row that one came
	needed uint32    // how often it takes
}

// favoured is one goroutine with an end. Only it writes next, while it has the favour, and
// only it uses ahead.
type favoured struct {
	goroutine uintptr
	next      shared.Uint64
	ahead     *shared.Uint64 // of a reader: where the record after the last that it knew of would begin, or nil
	_         [40]byte       // a line of its own
}

const (
	fewInARow  = 8
	mostInARow = 1 << 16
)

// grant gives the favour to the calling goroutine, if it has come often enough.
func (f *favour) grant(position uint64) {
	me := goroutine.Self()
	if f.last == nil || f.last.goroutine != me {
		f.last, f.row = &favoured{goroutine: me}, 0
	}
	if f.row < max(f.needed, fewInARow) {
		f.row++
		return
	}
	if me != 0 {
		f.last.next.Store(position)
		f.to.Store(f.last)
	}
}

// withdraw takes the favour back. It reports the position of the one who had it, if
// somebody had.
func (f *favour) withdraw(shared *shared.Uint64, record uint64) (position uint64, was bool) {
	to := f.to.Load()
	if to == nil {
		return 0, false
	}
	f.to.Store(nil)
	position = to.next.Load()
	if to.goroutine == goroutine.Self() {
		return position, true // it is here, and not under way
	}
	f.needed = min(max(2*f.needed, 2*fewInARow), mostInARow)
	_ = sys.Barrier() // it has worked before
	for {             // until (5), or (2) is undone
		// Loaded once: a goroutine that comes to (2) only now will undo it.
		if position = to.next.Load(); position != shared.Load()+record {
			return position, true
		}
		runtime.Gosched()
	}
}
