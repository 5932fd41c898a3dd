package mp

import (
	"encoding/binary"
	"fmt"

	"github.com/mpgo/mp/shm"
)

// A bundle is answers to consecutive elements of one task that a worker sends in one
// reply: a reply for each costs more than a short function does.
//
// The worker gathers it in the link's slate, which it alone writes:
//
//	0   first  number of the element that the first answer belongs to
//	4   count  of the answers, when they are sent
//	8   the answers: like the elements of a body; or results without anything between
//	    them, if any bytes of the result's size are one
//
// What is sent is a copy from count on.
//
// The pool reads the slate only when the worker is proven dead. Before it begins an
// element, the worker has put down the answers of all before it:
//
//	killed before first is stored     nothing is begun that is not answered
//	before the Claim of an element    the answers up to there are on the slate
//	after it                          so are they; that element was running
//	after the commit of the reply     they are in the stream, and salvage has nothing to do
type bundle struct {
	slate []byte
	bare  bool // the answers are results without anything between them
	count int  // answers
	used  int  // bytes of the slate
}

const (
	slateCount  = 4
	slateHeader = 8
	slateSize   = slateHeader + inlineLimit
)

// begin makes the slate ready for the answer to the element of that number, if there
// is none on it.
func (b *bundle) begin(number uint32) {
	if b.count == 0 {
		b.used = slateHeader
		binary.LittleEndian.PutUint32(b.slate, number)
	}
}

// add puts an answer that is a value down, if there is room.
func (b *bundle) add(answer []byte) bool {
	if b.bare {
		return b.addResult(answer[1:])
	}
	if b.used+elementHeader+len(answer) > len(b.slate) {
		return false
	}
	binary.LittleEndian.PutUint32(b.slate[b.used:], uint32(len(answer)))
	copy(b.slate[b.used+elementHeader:], answer)
	b.used += elementHeader + len(answer)
	b.count++
	return true
}

// addResult puts a bare result down, if there is room.
func (b *bundle) addResult(result []byte) bool {
	if b.used+len(result) > len(b.slate) {
		return false
	}
	b.used += copy(b.slate[b.used:], result)
	b.count++
	return true
}

// flush sends the bundle, if there is one.
func (s *server) flush() error {
	b := &s.bundle
	if b.count == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(b.slate[slateCount:], uint32(b.count))
	r := reply{number: s.work.number - uint32(b.count), how: howBundle, content: b.slate[slateCount:b.used]}
	b.count = 0
	return s.put(r)
}

// readBundle delivers the answers of a bundle that the worker has sent.
func (w *worker) readBundle(r reply) error {
	const header = slateHeader - slateCount
	if len(r.content) < header {
		return fmt.Errorf("mp: a bundle of %d bytes: %w", len(r.content), shm.ErrDamaged)
	}
	count := binary.LittleEndian.Uint32(r.content)
	return w.settleBundle(r.number, uint64(count), r.content[header:])
}

// settleBundle delivers the first count answers of a bundle.
func (w *worker) settleBundle(number uint32, count uint64, answers []byte) error {
	if count == 0 || count > uint64(w.load) {
		return fmt.Errorf("mp: a bundle of %d answers to %d elements: %w", count, w.load, shm.ErrDamaged)
	}
	t, err := w.answered(number, int(count))
	switch {
	case err != nil:
		return err
	case !t.together:
		return fmt.Errorf("mp: a bundle that nobody asked for: %w", shm.ErrDamaged)
	case t.result >= 0:
		results, _, err := cutFixed(answers, count*uint64(t.result))
		if err != nil {
			return err
		}
		return w.settle(number, arrival{answer: results, run: int(count)})
	}
	for ; count > 0; count-- {
		answer, rest, err := cutElement(answers)
		if err == nil {
			err = w.settle(number, arrival{answer: answer})
		}
		if err != nil {
			return err
		}
		number++
		answers = rest
	}
	return nil
}

// salvage delivers what a dead worker had put down and not sent. Its stream is read.
func (w *worker) salvage() error {
	if w.fifo.length() == 0 || w.slate == nil {
		return nil
	}
	at := w.fifo.first().at()
	done := int32(w.claims.Next()-at) - 1 // begun, without the last
	if done <= 0 {
		return nil
	}
	if first := binary.LittleEndian.Uint32(w.slate); first != at {
		return fmt.Errorf("mp: a slate of the elements from %d on instead of %d: %w", first, at, shm.ErrDamaged)
	}
	return w.settleBundle(at, uint64(done), w.slate[slateHeader:])
}
