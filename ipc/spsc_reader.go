package ipc

import (
	"context"
	"fmt"
	"io"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/shm"
)

// A StreamReader is the reading end of a Stream. One goroutine at a time may use
// it; only Close may come while another waits. It must not be copied.
type StreamReader struct {
	end
	favour favour
	m      streamMemory
	head   uint64     // as in shared memory, unless the favour is granted
	tail   uint64     // how far records are known to be, in this ring
	stop   uint64     // tail, or where the ring ends: how far they lie in one piece
	ring   streamRing // that they lie in
	passed uint64     // the turn to that ring if head is beyond it, or noTurn
	size   uint64     // of the taken record, 0 if there is none
	last   uint64     // of the record before
	tag    uint8      // of the taken record

	length    int // of what Pull are given, or -1
	otherwise Otherwise
}

// OpenReader makes the process the reader of the stream in mem. The error is
// ErrEndTaken if a live process is it, ErrClosed if the reader has closed it.
func OpenReader(d Domain, mem []byte) (*StreamReader, error) {
	m, err := openStream(mem)
	if err != nil {
		return nil, err
	}
	r := &StreamReader{m: m, passed: noTurn, length: -1}
	if err := r.open(d, m.reader, m.writer); err != nil {
		return nil, err
	}
	r.head = m.head.Load()
	r.tail, r.stop = r.head, r.head // nothing is known of the writer yet
	if r.head&(recordAlign-1) != 0 {
		r.HandOver()
		return nil, damagedStream(m.tail.Load(), r.head)
	}
	return r, nil
}

// Get reads the next record, appends it to buf, and returns that. It waits for
// one if need be. After the last record the error is io.EOF if the writer has
// closed, ErrPeerDied if its process is dead. It is ErrClosed after Close, the
// context's, or ErrDamaged if the memory holds what no writer wrote.
func (r *StreamReader) Get(ctx context.Context, buf []byte) ([]byte, error) {
	b, err := r.Take(ctx)
	if err != nil {
		return buf, err
	}
	buf = append(buf, b...)
	r.Release()
	return buf, nil
}

// TryGet is Get, but returns ErrEmpty where Get would wait.
func (r *StreamReader) TryGet(buf []byte) ([]byte, error) {
	b, err := r.TryTake()
	if err != nil {
		return buf, err
	}
	buf = append(buf, b...)
	r.Release()
	return buf, nil
}

// Take gives the caller the next record where it lies, until Release. Without a
// Release it is the next record again.
func (r *StreamReader) Take(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := r.TryTake()
	if err == ErrEmpty {
		return r.takeSlow(ctx)
	}
	return b, err
}

// TryTake is Take, but returns ErrEmpty where Take would wait.
func (r *StreamReader) TryTake() ([]byte, error) {
	for { // again after a skip
		if r.head == r.tail || r.gone.Load() {
			if err := r.look(); err != nil {
				return nil, err
			}
		}
		at := r.head & r.ring.mask
		if r.m.fixed >= 0 {
			return r.takeFixed(at)
		}
		n, kind := getHeader(r.ring.records[at:])
		most := min(r.tail-r.head, r.ring.until(at)) // ≥ 16, as all are multiples of 16
		switch {
		case n > most-recordHeader || kind&^(kindSkip|kindTag) != 0:
			return nil, fmt.Errorf("ipc: a record of %d bytes and kind %d where %d are: %w",
				n, kind, most-recordHeader, shm.ErrDamaged)
		case kind&kindSkip == 0:
			r.tag = uint8(kind >> tagShift)
			r.size = recordSize(int(n))
			at += recordHeader
			return r.ring.records[at : at+n : at+n], nil
		}
		r.head += recordSize(int(n))
	}
}

// takeFixed is TryTake for records without headers. There is something at at, after
// what is skipped.
func (r *StreamReader) takeFixed(at uint64) ([]byte, error) {
	size := r.m.stride
	if left := r.ring.until(at); left < size {
		size += left
		at = 0
	}
	if r.tail-r.head < size {
		return nil, damagedStream(r.tail, r.head)
	}
	r.tag, r.size = 0, size
	end := at + uint64(r.m.fixed)
	return r.ring.records[at:end:end], nil
}

// look finds out whether there is a record after all.
func (r *StreamReader) look() error {
	if r.shut() {
		return ErrClosed
	}
	tail := r.m.tail.Load() // observes Commit
	if tail == r.head {
		ending := r.ending()
		if tail = r.m.tail.Load(); tail == r.head { // what it published before
			return ending
		}
	}
	if !r.extend(r.head, tail) {
		return damagedStream(tail, r.head)
	}
	r.m.edges.written.acquire()
	return nil
}

// extend takes note of the records from head to tail, which was just loaded and is not
// head: of those in one ring. It reports whether there can be such.
func (r *StreamReader) extend(head, tail uint64) bool {
	if r.stays(head, tail) {
		return true
	}
	turn := r.m.turn.Load()
	ring, end := r.m.follow(head, tail, turn)
	if tail-head > r.m.most() || end&(recordAlign-1) != 0 || ring.size() == 0 {
		return false
	}
	r.ring, r.tail, r.passed = ring, end, noTurn
	if int64(turn&^turnToSmall-head) <= 0 {
		r.passed = turn
	}
	r.stop = head + min(end-head, ring.until(head))
	return true
}

// stays is extend if there was no turn since the last one, which is passed.
//
//go:nosplit
func (r *StreamReader) stays(head, tail uint64) bool {
	if r.m.turn.Load() != r.passed || tail-head > r.ring.size() || tail&(recordAlign-1) != 0 {
		return false
	}
	r.tail, r.stop = tail, head+min(tail-head, r.ring.until(head))
	return true
}

// ending is what follows the last record.
func (r *StreamReader) ending() error {
	switch {
	case r.peer.closed.Load() == endClosed:
		r.m.edges.written.acquire()
		return io.EOF
	case r.lost():
		return ErrPeerDied
	}
	return ErrEmpty
}

// Tag is the number that the taken record was committed with.
func (r *StreamReader) Tag() uint8 { return r.tag }

// Release gives the taken record's memory back to the writer. It panics if none
// is taken.
func (r *StreamReader) Release() {
	if r.size == 0 {
		panic("ipc: Release without Take")
	}
	r.head += r.size
	r.last, r.size = r.size, 0
	r.m.edges.read.release()
	r.publish(r.m.head, r.head) // passes ownership of the memory to TryClaim
}

func (r *StreamReader) takeSlow(ctx context.Context) (b []byte, err error) {
	if r.lull.pass(r.head, r.last) {
		if b, err = r.TryTake(); err != ErrEmpty {
			return b, err
		}
	}
	waitErr := r.gate.wait(ctx, func(announce bool) (bool, *shared.Uint32, uint32) {
		var rung uint32
		if announce {
			rung = r.announce()
		}
		b, err = r.TryTake()
		return err != ErrEmpty, &r.mine.rung, rung
	})
	if waitErr != nil {
		return nil, waitErr
	}
	return b, err
}

// Close ends the stream from the reading side: the writer gets io.ErrClosedPipe,
// and what was not read is lost. A waiting Get returns ErrClosed. It synchronizes
// before that io.ErrClosedPipe.
func (r *StreamReader) Close() error {
	r.close(&r.m.edges.read)
	return nil
}

// Ready reports whether Take would return at once: with a record, or with the
// reason why there will be none. As all of what makes a StreamReader a Source it may
// be called while others use the end.
func (r *StreamReader) Ready() bool {
	return r.gate.closed.Load() || r.shut() || r.m.tail.Load() != r.m.head.Load() || r.ending() != ErrEmpty
}

// Enter keeps Close and HandOver waiting until Leave.
func (r *StreamReader) Enter() { r.gate.enter() }

// Announce has the writer wake everybody.
func (r *StreamReader) Announce(words []sys.Futex) []sys.Futex {
	bell := r.gate.bell.Load()
	return append(words,
		sys.Futex{Word: &r.mine.rung, Val: r.announce()},
		sys.Futex{Word: &r.gate.bell, Val: bell})
}

// Leave has nothing to pass on.
func (r *StreamReader) Leave() { r.gate.leave() }

// Grant and Withdraw are those of a StreamWriter, for Pull.
func (r *StreamReader) Grant(at goroutine.Place) {
	if r.reached && r.length >= 0 && r.length == r.m.fixed && r.length <= mostQuick {
		way := wayOf(&r.end, &r.m, r.ring, r.stop, r.m.head)
		way.reader = r
		r.favour.grant(r.head, way, at)
	}
}

// Withdraw is described at StreamWriter.Grant.
func (r *StreamReader) Withdraw() {
	if head, was := r.favour.withdraw(); was {
		r.head = head
	}
}
