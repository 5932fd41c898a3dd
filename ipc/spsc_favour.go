package ipc

import (
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/sys"
)

// A favour lets one goroutine of a process use an end of a stream, by Push or Pull, or by
// their steps (see Favoured), without a lock while others might want to, for next to nothing. A lock costs an
// operation that waits until all that was stored before is in the cache: for a
// writer in flow that means that it waits for the reader's lines at each record.
//
// Those who use the end in other ways hold a lock of their own, and with it the right
// to grant the favour and to withdraw it. The positions are those of the end: next is
// the favoured goroutine's, shared is the one in shared memory, done what was last stored
// there: so that (c) looks at nothing that another process could change.
//
//	Push, Pull                              withdraw, under the lock
//	(1) look: the favour is mine, or was    (a) nobody has the favour; if it was given back, done is the position
//	(2) next = done + a record              (b) sys.Barrier
//	(3) look again: it is still             (c) wait while next is not done
//	(4) copy the record
//	(5) shared = next
//	(6) done = next
//
// If (3) sees the favour, (2) came before the barrier, so that (c) waits for (6). If
// not, (2) is undone; that may be going on while (c) looks, so the position is what
// (c) has compared and is not read again. Nothing but (b) is a barrier.
// TestFavourProtocol goes through all orders of the steps, and shows that none can be
// left out. Each grant to another goroutine
// makes another favoured, so that one which is stopped between (1) and (2), for
// however long, spoils nothing but its own.
//
// To withdraw the favour takes microseconds. So it is granted only to a goroutine
// that has come some times in a row, and each withdrawal by another one doubles how often
// that must be.
//
// Who the favoured goroutine is, is told by where its stack is, see goroutine.Place: that
// takes no call, and all that a function needs after a call it stores before, see Push.
// So who has the favour is, strictly, whoever has a block of stack. That is one goroutine
// at a time, and cannot change from (1) to (6), as nothing is called there but what
// is go:nosplit, or inlined. Before it does anything else with the end it gives the favour
// back, by one CAS; the position remains in the record.
//
// (1) may be a look at a Favoured that was kept from earlier, whose favour may be gone: (3) finds
// that out, and (2) is undone. So who finds that the favour was given back takes done for the
// position, and not next; and the favour is granted to it meanwhile only by the same goroutine,
// which then has that block of stack to itself. What must not be touched once the end is
// given up, as the memory may be another's, is touched from (3) to (6) only: withdraw
// waits for that. Whether the peer waits is read before (6), too; see wakePeer.
type favour struct {
	to atomic.Pointer[Favoured]

	// Guarded by the lock of those who use the end in other ways.
	granted *Favoured // who has the favour, or has given it back, or nil
	last    *Favoured // whom it was granted to, or who came last
	row     uint32    // how often in a row that one came
	needed  uint32    // how often it takes
}

const (
	fewInARow  = 8
	mostInARow = 1 << 16
)

// of returns the record of the goroutine at a place, if it has the favour.
//
//go:nosplit
func (f *favour) of(at goroutine.Place) *Favoured {
	if to := f.to.Load(); to != nil && to.block == at.Block() {
		return to
	}
	return nil
}

// giveBack is called by a goroutine that may have the favour, and will use the end in
// another way.
//
//go:nosplit
func (f *favour) giveBack(at goroutine.Place) {
	if to := f.of(at); to != nil {
		f.to.CompareAndSwap(to, nil) // or it was withdrawn
	}
}

// grant gives the favour to the calling goroutine, if it has come often enough from
// there.
func (f *favour) grant(position uint64, way favouredWay, at goroutine.Place) {
	me, block := goroutine.Self(), at.Block()
	if f.last == nil || f.last.goroutine != me || f.last.block != block {
		f.last, f.row = &Favoured{favour: f, goroutine: me, block: block, ahead: nowhere}, 0
	}
	if f.row < max(f.needed, fewInARow) {
		f.row++
		return
	}
	if block != 0 {
		f.last.next.Store(position)
		f.last.done.Store(position)
		f.last.favouredWay = way
		f.granted = f.last
		f.to.Store(f.last)
	}
}

// withdraw takes the favour back. It reports the position of the one who had it, if
// somebody had.
func (f *favour) withdraw() (position uint64, was bool) {
	granted := f.granted
	if granted == nil {
		return 0, false
	}
	f.granted = nil
	if f.to.Load() == nil {
		return granted.done.Load(), true // given back: nothing is under way; but see (1) on next
	}
	f.to.Store(nil)
	if granted.goroutine != goroutine.Self() {
		f.needed = min(max(2*f.needed, 2*fewInARow), mostInARow)
	}
	_ = sys.Barrier() // it has worked before
	for {             // until (6), or (2) is undone
		// Loaded once: a goroutine that comes to (2) only now will undo it.
		if position = granted.next.Load(); position == granted.done.Load() {
			return position, true
		}
		runtime.Gosched()
	}
}
