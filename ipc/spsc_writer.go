package ipc

import (
	"context"
	"fmt"
	"io"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A StreamWriter is the writing end of a Stream. One goroutine at a time may use
// it; only Close may come while another waits. It must not be copied.
//
// After a Put, or Commit, the record is committed: the reader gets it whatever
// happens to the writer's process.
type StreamWriter struct {
	end
	favour favour
	m      streamMemory
	ring   streamRing     // that records go to
	turn   uint64         // as in shared memory: its last
	tail   uint64         // as in shared memory, unless the favour is granted
	limit  uint64         // how far tail may go, by what was last seen of the reader
	stop   uint64         // limit, or where the ring ends: how far it may go in one piece
	most   int            // MaxRecord
	reads  *shared.Uint64 // head of the stream the other way, or nil if not paired
	told   *shared.Uint64 // what that says of this one's, or nil

	length    int // of what Push are given, or -1
	otherwise Otherwise

	claimed uint64 // tail when Claim gave room, which ends when tail moves
	begin   uint64 // of the claimed record: tail, or where the memory begins again
	room    int    // bytes of the claimed record, -1 if there is none
}

// OpenWriter makes the process the writer of the stream in mem. The error is
// ErrEndTaken if a live process is it, ErrClosed if the writer has closed it.
func OpenWriter(d Domain, mem []byte) (*StreamWriter, error) {
	m, err := openStream(mem)
	if err != nil {
		return nil, err
	}
	w := &StreamWriter{m: m, room: -1, most: MaxRecord(len(m.large.records)), length: -1}
	if err := w.open(d, m.writer, m.reader); err != nil {
		return nil, err
	}
	w.tail = m.tail.Load()
	w.limit, w.stop = w.tail, w.tail // nothing is known of the reader yet
	w.turn = m.turn.Load()
	w.ring = m.ringAfter(w.turn)
	if w.tail&(recordAlign-1) != 0 || int64(w.tail-w.turn&^turnToSmall) < 0 || w.ring.size() == 0 {
		w.HandOver()
		return nil, damagedStream(w.tail, m.head.Load())
	}
	return w, nil
}

// MaxRecord is the length of the longest record.
func (w *StreamWriter) MaxRecord() int { return w.most }

// Put writes a copy of msg as one record, and waits for room if need be. The
// error is io.ErrClosedPipe if the reader has closed, ErrPeerDied if its process
// is dead, ErrClosed after Close, the context's if that is done before there is
// room, or ErrTooLarge for more than MaxRecord bytes; then nothing was written.
//
// Put makes few stores besides those of the record: on the machine where this was
// measured a record costs the more the more stores to other lines come between
// two records, in steps (without the return address of one call, 26 instead of 35
// ns). The likely reason is the store buffer, which limits how many records a CPU
// can be ahead of the lines it waits for; fetching those lines early did not help
// there, which that does not explain; elsewhere it did, see Push.
func (w *StreamWriter) Put(ctx context.Context, msg []byte) error {
	end := w.tail + recordSize(len(msg))
	if int64(w.stop-end) < 0 || len(msg) > w.most || w.m.fixed >= 0 || w.ended() {
		return w.putSlow(ctx, msg)
	}
	rec := w.ring.records[w.tail&w.ring.mask:]
	w.tail = end
	putHeader(rec, kindMessage, len(msg))
	copyRecord(rec[recordHeader:], msg)
	w.m.edges.written.release()
	if w.unfenced() { // passes ownership of the record to Take
		storeRelease(w.m.tail, end)
	} else {
		w.m.tail.Store(end)
	}
	if w.peer.waiting.Load() != 0 {
		w.peer.ring()
	}
	return nil
}

// copyRecord is copy, without a call for short ones.
func copyRecord(dst, src []byte) {
	if n := len(src); n >= 16 && n <= 256 && n <= len(dst) {
		last := (*[16]byte)(src[n-16:])
		end := (*[16]byte)(dst[n-16:])
		for len(src) > 16 && len(dst) > 16 {
			*(*[16]byte)(dst) = [16]byte(src)
			dst, src = dst[16:], src[16:]
		}
		*end = *last
		return
	}
	copy(dst, src)
}

// ended reports whether either end is closed.
func (w *StreamWriter) ended() bool { return w.gone.Load() || w.peer.closed.Load() != 0 }

func (w *StreamWriter) putSlow(ctx context.Context, msg []byte) error {
	b, err := w.Claim(ctx, len(msg))
	if err != nil {
		return err
	}
	copy(b, msg)
	w.Commit(len(msg))
	return nil
}

// TryPut is Put, but returns ErrFull where Put would wait.
func (w *StreamWriter) TryPut(msg []byte) error {
	b, err := w.TryClaim(len(msg))
	if err != nil {
		return err
	}
	copy(b, msg)
	w.Commit(len(msg))
	return nil
}

// Claim gives the caller room for a record of n bytes, to fill and Commit. It is
// the writer's until then; a later Claim takes its place.
func (w *StreamWriter) Claim(ctx context.Context, n int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := w.TryClaim(n)
	if err == ErrFull {
		return w.claimSlow(ctx, n)
	}
	return b, err
}

// TryClaim is Claim, but returns ErrFull where Claim would wait.
func (w *StreamWriter) TryClaim(n int) ([]byte, error) {
	size := w.m.size(n)
	begin := w.next(size)
	if int64(w.limit-begin) < int64(size) || !w.fits(n) || w.ended() {
		if err := w.look(size, n); err != nil {
			return nil, err
		}
		begin = w.next(size)
	}
	w.claimed, w.begin, w.room = w.tail, begin, n
	w.stop = begin + min(w.ring.until(begin), w.limit-begin)
	at := begin&w.ring.mask + w.m.header
	return w.ring.records[at : at+uint64(n) : at+uint64(n)], nil
}

// next is where the next record begins, if it has that size: where the ring does, if it
// does not fit before its end.
func (w *StreamWriter) next(size uint64) uint64 {
	if left := w.ring.until(w.tail); size > left {
		return w.tail + left
	}
	return w.tail
}

// fits reports whether n bytes make a record.
func (w *StreamWriter) fits(n int) bool {
	return uint(n) <= uint(w.most) && (w.m.fixed < 0 || w.m.fixed == n)
}

// look finds out whether there is room after all, in this ring or in the other one.
func (w *StreamWriter) look(size uint64, n int) error {
	switch {
	case w.shut():
		return ErrClosed
	case !w.fits(n):
		return fmt.Errorf("ipc: a record of %d bytes in a stream for %d: %w", n, max(w.most, w.m.fixed), shm.ErrTooLarge)
	case w.peer.closed.Load() == endLost:
		return ErrPeerDied
	case w.peer.closed.Load() != endOpen:
		w.m.edges.read.acquire()
		return io.ErrClosedPipe
	}
	head := w.m.head.Load() // observes Release
	if w.tail-head > w.m.most() {
		return damagedStream(w.tail, head)
	}
	w.m.edges.read.acquire()
	w.limit = w.free(head)
	roomy := int64(w.limit-w.next(size)) >= int64(size)
	switch {
	case roomy && w.turn&turnToSmall != 0, w.turned(head, size), roomy:
		return nil
	case w.lost():
		return ErrPeerDied
	}
	return ErrFull
}

// free is how far the ring is free if the reader is at head: none of what was written
// before the last turn lies in it.
//
//go:nosplit
func (w *StreamWriter) free(head uint64) uint64 {
	if turn := w.turn &^ turnToSmall; int64(head-turn) < 0 {
		head = turn
	}
	return head + w.ring.size()
}

// Stamp names the claimed record, for StreamPending.
func (w *StreamWriter) Stamp() uint64 { return w.begin }

// Tags reports whether records may have a tag: in a stream where all have one length
// they have not.
func (w *StreamWriter) Tags() bool { return w.m.fixed < 0 }

// Commit publishes the first n bytes of the claimed room as a record. It panics
// if there is no such room.
func (w *StreamWriter) Commit(n int) { w.CommitTagged(n, 0) }

// CommitTagged is Commit with a number for the reader, which a copy of the record
// has no room for; see StreamReader.Tag. It panics if there is a tag and not Tags.
func (w *StreamWriter) CommitTagged(n int, tag uint8) {
	if n < 0 || n > w.room || w.claimed != w.tail {
		panic("ipc: Commit of more bytes than were claimed")
	}
	if w.m.fixed < 0 {
		if w.begin != w.tail {
			putHeader(w.ring.records[w.tail&w.ring.mask:], kindSkip, int(w.begin-w.tail-recordHeader))
		}
		putHeader(w.ring.records[w.begin&w.ring.mask:], uint64(tag)<<tagShift, n)
	} else if n != w.m.fixed || tag != 0 {
		panic("ipc: Commit of a record that is not like all others")
	}
	w.tail = w.begin + w.m.size(n)
	w.room = -1
	w.m.edges.written.release()
	w.publish(w.m.tail, w.tail) // passes ownership of the record to Take
}

// Rouse wakes the reader, if it sleeps, for a record that will be written soon: to wake
// takes longer than to write, and the reader may spin for the rest. It promises nothing.
// A reader that goes to sleep once more says so again, and the record's Commit wakes it;
// if there is no record because the process is killed, the death epoch does.
func (w *StreamWriter) Rouse() {
	if w.peer.waiting.Load() != 0 {
		w.peer.ring()
	}
}

func (w *StreamWriter) claimSlow(ctx context.Context, n int) (b []byte, err error) {
	if w.lull.pass(w.tail, w.m.size(n)) {
		if b, err = w.TryClaim(n); err != ErrFull {
			return b, err
		}
	}
	waitErr := w.gate.wait(ctx, func(announce bool) (bool, *shared.Uint32, uint32) {
		var rung uint32
		if announce {
			rung = w.announce()
		}
		b, err = w.TryClaim(n)
		return err != ErrFull, &w.mine.rung, rung
	})
	if waitErr != nil {
		return nil, waitErr
	}
	return b, err
}

// Close ends the stream: the reader gets io.EOF after the last record. A waiting
// Put returns ErrClosed. It must not come at the same time as a Put that does not
// wait. It synchronizes before that io.EOF.
func (w *StreamWriter) Close() error {
	w.close(&w.m.edges.written)
	return nil
}

// Grant and Withdraw are for those whose goroutines use a StreamWriter one at a time,
// under a lock of their own: Withdraw comes first, and then no goroutine is in Push.
// Grant comes last, and the calling goroutine may Push later without the lock, if that
// was called at the same place.
func (w *StreamWriter) Grant(at goroutine.Place) {
	if w.reached && w.length >= 0 && w.length == w.m.fixed && w.length <= mostQuick {
		way := wayOf(&w.end, &w.m, w.ring, w.stop, w.m.tail)
		way.writer, way.reads, way.read = w, w.reads, w.m.read
		w.favour.grant(w.tail, way, at)
	}
}

// Withdraw is described at Grant.
func (w *StreamWriter) Withdraw() {
	if tail, was := w.favour.withdraw(); was {
		w.tail = tail
	}
}
