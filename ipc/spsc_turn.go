package ipc

// A streamRing is memory that records lie in, at their positions modulo its size.
//
// # Two rings
//
// A stream has a large ring for those who send much before anybody receives, and a
// small one whose few lines pass between both CPUs again and again. Messages that are
// answered one by one would go round the large one, too, and come to each of its lines
// long after it was last used: in a bare loop between two processes, there and back with
// 64 bytes each way, 108 ns with the same line each time, 118 with a ring of 8 lines, 132
// with 16, 190 with 64 (150 if these are not used one after the other), and more with
// 64 KiB.
//
// The writer chooses, and says so in turn: from that position on records lie in the
// other ring. It turns
//
//   - to the large ring, when the small one has no room;
//   - to the small ring, when it has to look how far the reader is, which in the large
//     ring is once in a lap, and finds that it has read everything.
//
// So the reader has passed the last turn before there is another: one to the small ring it
// has passed as soon as that is made, and one to the large ring before the next to the small
// one. What was written before the last turn is read when the next one comes, and the whole
// ring that the writer turns to is free. (If it turned to the small ring with a record unread, it
// could not turn to the large one before that was read: the stream would be full with nine
// records, as it once was.) Whoever knows the last turn and a position from the reader's on,
// knows the ring. The writer stores turn before a tail beyond it, so a reader that sees the
// records sees the turn. Killed between the two it has turned; the next writer goes on from
// there.
type streamRing struct {
	records []byte
	mask    uint64
}

func viewRing(records []byte) streamRing {
	return streamRing{records, uint64(len(records)) - 1}
}

//go:nosplit
func (r streamRing) size() uint64 { return uint64(len(r.records)) }

// until is how many bytes there are from a position to where the memory ends.
//
//go:nosplit
func (r streamRing) until(position uint64) uint64 { return r.size() - position&r.mask }

// smallRing is the size of the small ring beside a large one: eight lines, for each lap
// costs the writer a look at the line that the reader has just written. Where the large
// one is not much larger, there is none.
func smallRing(large uint32) uint32 {
	const size = 512
	if large < 4*size {
		return 0
	}
	return size
}

const (
	turnToSmall = 1 // bit of turn; positions are multiples of recordAlign
	noTurn      = 2 // is none
)

// firstTurn is to the small ring, if there is one.
func (m *streamMemory) firstTurn(position uint64) uint64 {
	if m.small.size() == 0 {
		return position
	}
	return position | turnToSmall
}

// ringAfter is where the records from a turn on lie.
func (m *streamMemory) ringAfter(turn uint64) streamRing {
	if turn&turnToSmall != 0 {
		return m.small
	}
	return m.large
}

// ringBefore is where those before it lie, if there are any left.
func (m *streamMemory) ringBefore(turn uint64) streamRing {
	return m.ringAfter(turn ^ turnToSmall)
}

// most is how many bytes may be unread.
func (m *streamMemory) most() uint64 { return m.large.size() + m.small.size() }

// follow gives the reader the ring of the records from head on, and how far towards
// tail they lie in it. The turn was loaded after tail.
func (m *streamMemory) follow(head, tail, turn uint64) (streamRing, uint64) {
	at := turn &^ turnToSmall
	if int64(at-head) <= 0 {
		return m.ringAfter(turn), tail
	}
	return m.ringBefore(turn), head + min(tail-head, at-head)
}

// turned makes the writer go on in the other ring, if it may, given how far the reader
// is and the size of the record to come. It sets the limit.
func (w *StreamWriter) turned(head, size uint64) bool {
	if !w.mayTurn(head, size) {
		return false
	}
	w.turn = w.tail | w.turn&turnToSmall ^ turnToSmall
	w.m.turn.Store(w.turn) // before a tail beyond it; observed by the reader's look
	w.ring = w.m.ringAfter(w.turn)
	w.limit = w.tail + w.ring.size()
	return true
}

func (w *StreamWriter) mayTurn(head, size uint64) bool {
	if w.m.small.size() == 0 {
		return false
	}
	if w.turn&turnToSmall != 0 {
		return true
	}
	return w.tail == head && 2*size <= w.m.small.size()
}
