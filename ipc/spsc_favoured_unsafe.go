package ipc

import (
	"unsafe"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/prefetch"
	"github.com/mpgo/mp/internal/shared"
)

// A Favoured is one goroutine with an end of a stream, and all that it needs to write or
// read a record there by the steps of a favour. It is for those who have records of a type,
// and no nanosecond to give away; to others Push and Pull do the same. They do this, with
// nothing in between that is not inlined or go:nosplit:
//
//	if f.Is(&here) {                               (1), here being a variable of theirs
//		end, trouble := f.Begin()                  (2) and (3)
//		if trouble != 0 {                          a reader may Seek
//			trouble = f.Again(end)
//		}
//		if trouble == 0 && f.Hears() == 0 {        a reader asks whether it Reaches
//			*RecordOf[T](f) = v                    (4)
//			f.Tell()
//			waiting := f.End(end)                  (5) and (6)
//			if waiting != 0 || f.Due(end) {
//				f.After(waiting)
//			}
//			return
//		}
//		f.Undo()
//	}
//
// So the record is written by the one function that the user calls. To hand it to another
// one, as Send did to Push, took 4 of 20 ns a message between two processes: each call
// stores what it needs, and both sides of a pipe in flow do nothing but work.
//
// All answers that may be trouble are numbers, 0 if there is none, and not bool: where an
// inlined function returns a comparison, the compiler makes a value of it and compares that again.
//
// Only the goroutine writes it, or who has its block of stack; and who grants it the favour, which
// is that goroutine. favouredWay says what the end says, as the stream does not turn as long as
// somebody has the favour. To take the steps in another order, or to leave some out, damages
// the stream, or has those wait for ever who withdraw the favour.
type Favoured struct {
	block      uintptr // of its stack
	next, done shared.Uint64
	favour     *favour
	favouredWay

	goroutine uintptr // as far as known, for what the favour is worth

	// Hints of a reader.
	ahead    uint64   // where the record after the last that it knew of would begin, or nowhere
	found    uint64   // bytes of records that were there when it looked last
	answered int      // 1: the last Seek found one
	_        [32]byte // lines of its own
}

// A favouredWay is where records go, or come from.
type favouredWay struct {
	end      *end
	peer     *streamEnd
	stride   uint64
	length   int    // of a record, which stride has room for
	stop     uint64 // of the end
	mask     uint64 // of the ring
	records  unsafe.Pointer
	position *shared.Uint64 // tail or head

	writer *StreamWriter // or nil
	reader *StreamReader // or nil

	// Of a writer that is paired, or nil.
	reads *shared.Uint64
	read  *shared.Uint64
}

// wayOf is that of an end, whose records lie in a ring.
func wayOf(e *end, m *streamMemory, ring streamRing, stop uint64, position *shared.Uint64) favouredWay {
	return favouredWay{
		end: e, peer: e.peer, stride: m.stride, length: m.fixed, stop: stop, mask: ring.mask, position: position,
		// SAFETY: the ring's memory, which is mapped as long as somebody may have the favour.
		records: unsafe.Pointer(unsafe.SliceData(ring.records)),
	}
}

// Is reports whether f is the goroutine on whose stack a variable is.
//
//go:nosplit
func (f *Favoured) Is(here *byte) bool { return f.block == goroutine.BlockOf(here) }

// Begin returns where the record will end, and reports by 0 that the favour is still f's, and
// that there is room for it, or one to be read, as far as the end knows. Else Undo comes next.
//
//go:nosplit
func (f *Favoured) Begin() (end, trouble uint64) {
	end = f.next.Load() + f.stride
	storeRelease(&f.next, end)
	// SAFETY: the pointers are compared only.
	return end, uint64(uintptr(unsafe.Pointer(f.favour.to.Load()))^uintptr(unsafe.Pointer(f))) | (f.stop-end)>>63
}

// Again looks for room once more, for a writer whose Begin found none. It reports by 0 that there
// is some, and that the favour is still f's.
//
//go:nosplit
func (f *Favoured) Again(end uint64) uint64 {
	if f.has() && f.writer.again(f, end) {
		return 0
	}
	return 1
}

// Seek looks for the record up to end, for a reader whose Begin knew of none, and who does not
// wait: a few times, with pauses in between that tell the CPU that it spins, or more often if
// the last one came while it looked, as an answer does. It reports by 0 that there is one, and
// that the favour is still f's.
//
//go:nosplit
func (f *Favoured) Seek(end uint64) uint64 {
	return f.seek(end, fewLooks+f.answered*(seekLooks-fewLooks))
}

// has reports whether the favour is still f's. It comes after Begin.
//
//go:nosplit
func (f *Favoured) has() bool { return f.favour.to.Load() == f }

// Undo takes Begin back.
//
//go:nosplit
func (f *Favoured) Undo() { storeRelease(&f.next, f.done.Load()) }

// Hears reports by 0 that the peer, which reads, has not closed, and makes barriers for this
// end. It comes after Begin: before that the memory may be gone.
//
//go:nosplit
func (f *Favoured) Hears() uint64 {
	// SAFETY: these are two words, one behind the other, at a multiple of 8.
	return (*shared.Uint64)(unsafe.Pointer(&f.peer.closed)).Load() ^ hears
}

// hears is what closed and barrier of an end say together that is open, and makes barriers.
const hears = endOpen | 1<<32

// Reaches reports by 0 that the peer, which writes, makes barriers for this end.
//
//go:nosplit
func (f *Favoured) Reaches() uint32 { return f.peer.barrier.Load() ^ 1 }

// Record is where the record lies, or will.
//
//go:nosplit
func (f *Favoured) Record() unsafe.Pointer {
	// SAFETY: up to stop there is the ring in one piece, and that many bytes are the writer's, or
	// the reader's, as Begin has seen; a record begins at a multiple of recordAlign.
	return unsafe.Add(f.records, f.done.Load()&f.mask)
}

// RecordOf is that as a T, of which the records are copies.
//
//go:nosplit
//go:nocheckptr
func RecordOf[T any](f *Favoured) *T {
	// SAFETY: as in Record, and whoever is favoured has said that records are as long as a T.
	return (*T)(f.Record())
}

// IsLine reports whether a T is one line.
//
//go:nosplit
func IsLine[T any]() bool {
	var v *T // and no T, which a build for a debugger would have on the stack
	return unsafe.Sizeof(*v) == lineLength
}

// ReadLine copies the record, which is one line, to the memory at msg. To assign it would be a
// call for the compiler: who knows whether they overlap.
//
//go:nosplit
func (f *Favoured) ReadLine(msg unsafe.Pointer) { copyLine(msg, f.Record()) }

// Read copies the record to the memory at msg.
//
//go:nosplit
func (f *Favoured) Read(msg unsafe.Pointer) { quickCopy(msg, f.Record(), f.length) }

// Tell has the record say how far the writer has read what comes the other way; see Pair.
//
//go:nosplit
func (f *Favoured) Tell() {
	if f.reads != nil {
		storeRelease(f.read, f.reads.Load()) // observed in again, of the other side
	}
}

// End publishes the position: this passes ownership of the record to Take, or of its memory to
// TryClaim. It reports by 0 that the peer does not wait; else After comes next. Once this is
// done the memory may be gone.
//
//go:nosplit
func (f *Favoured) End(end uint64) uint32 {
	storeRelease(f.position, end)
	waiting := f.peer.waiting.Load()
	storeRelease(&f.done, end)
	return waiting
}

// Due reports whether it is time for a writer to fetch; then After comes next.
//
//go:nosplit
func (f *Favoured) Due(end uint64) bool {
	return end&(fetchStep-1) < f.stride && int64(f.stop-end) >= fetchTo
}

// After wakes the reader if it waits, or fetches, for a writer.
func (f *Favoured) After(waiting uint32) {
	if waiting != 0 {
		f.Wake()
	} else {
		f.fetch()
	}
}

// Wake wakes the peer if it waits.
func (f *Favoured) Wake() { f.end.wakePeer() }

// A writer in flow fetches records for writing before they come, if it knows that the
// reader will not touch them: every fetchStep bytes those from fetchFrom to fetchTo bytes
// ahead. That is as long a way as the CPUs are from each other: so many records are
// written while a line comes 500 ns.
const (
	fetchStep = 4 * lineLength
	fetchFrom = 32 * lineLength
	fetchTo   = fetchFrom + fetchStep
)

func (f *Favoured) fetch() {
	// SAFETY: up to stop there is the ring, and nothing is stored or loaded.
	prefetch.ForWriting(unsafe.Add(f.records, f.done.Load()&f.mask+fetchFrom), fetchStep/lineLength, lineLength)
}
