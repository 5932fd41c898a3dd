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
//	8   the answers, like the elements of a body
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
	count int // answers
	used  int // bytes of the slate
}

const (
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

// add puts an answer down, if there is room.
func (b *bundle) add(answer []byte) bool {
	if b.used+elementHeader+len(answer) > len(b.slate) {
		return false
	}
	binary.LittleEndian.PutUint32(b.slate[b.used:], uint32(len(answer)))
	copy(b.slate[b.used+elementHeader:], answer)
	b.used += elementHeader + len(answer)
	b.count++
	return true
}

// flush sends the bundle, if there is one.
func (s *server) flush() error {
	b := &s.bundle
	if b.count == 0 {
		return nil
	}
	r := reply{number: s.work.number - uint32(b.count), how: howBundle, content: b.slate[slateHeader:b.used]}
	b.count = 0
	return s.put(r)
}

// settleBundle delivers the answers of a bundle, or the first count of them.
func (w *worker) settleBundle(number uint32, answers []byte, count int) error {
	for ; count > 0 && len(answers) > 0; count-- {
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
	if first := binary.LittleEndian.Uint32(w.slate); first != at || done > int32(w.load) {
		return fmt.Errorf("mp: a slate of the elements from %d on instead of %d: %w", first, at, shm.ErrDamaged)
	}
	return w.settleBundle(at, w.slate[slateHeader:], int(done))
}
