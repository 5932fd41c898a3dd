package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// ErrPeerDied: the process at the other end of a Stream died. A reader gets it
// after the last committed record; it is an io.EOF for errors.Is.
var ErrPeerDied error = peerDied{}

type peerDied struct{}

func (peerDied) Error() string { return "the process at the other end died" }

// Is reports that for a reader a dead writer is the end of the records.
func (peerDied) Is(target error) bool { return target == io.EOF }

// ErrEndTaken: another live process has this end of the Stream.
var ErrEndTaken = errors.New("another process has this end")

// A Stream is a bounded queue of records in shared memory, with one process that
// writes and one that reads. It has no type of its own: InitStream makes it, and
// its two ends are a StreamWriter and a StreamReader. A record is a string of
// bytes, at most half as long as the stream; it is written and read as a whole,
// or filled and read where it lies.
//
// It is one direction of Python's multiprocessing.Pipe. Where that gives EOFError
// when the peer has closed, a reader here gets io.EOF, or ErrPeerDied.
//
// # Layout
//
//	  0  magic     4  stored last
//	  4  capacity  4  bytes of the records' memory, a power of two
//	  8  fixed     4  0, or 1 more than the length that all records have
//	 12  small     4  bytes of the small ring, a power of two, or 0 if there is none
//	128  tail      8  bytes ever written; stored by the writer
//	136  turn      8  where the writer last changed rings; bit 0: to the small one
//	144  read      8  head of the stream the other way, as the writer saw it, or 1; see Pair
//	256  head      8  bytes ever read; stored by the reader
//	384  writer   20  the writer's streamEnd
//	512  reader   20  the reader's streamEnd
//	640  large ring   capacity bytes
//	…    small ring
//
// A record begins at a multiple of 16 (so that no 16 bytes that are copied at once
// lie in two lines, which took 7 to 16 % longer in a bare loop):
//
//	 0  length    4  of the message
//	 4  kind      4  bit 0: no message, the rest of the memory is skipped;
//	                 bits 8–15: the message's tag; the others are 0
//	 8            8  unused
//	16  message      length bytes
//
// It lies in one piece: if it does not fit before the end of its ring, the rest
// is skipped.
//
// Where all records have the same length they have no headers, and no tags; what is
// skipped is known without. So 64 bytes take one line, which is what the machine
// moves from one process to the other.
//
// # Invariants
//
//  1. Between head and tail lie whole records; they are the reader's. The rest is
//     the writer's. Each end moves its own word only.
//  2. tail-head ≤ capacity of both rings, always as the difference of two uint64, so
//     the words may go round.
//  3. A record and the skip before it are published by one store to tail.
//  4. Where a position lies in memory is told by turn: see spsc_turn.go.
//
// Each end keeps the position it stores and the last one it saw of the other, and
// looks at the other's word only when those say that it must wait. So a stream in
// flow costs one store for each record on each side, and lines pass between the
// caches once.
//
// # A kill after each step
//
//	while filling     the record is not there; the reader gets ErrPeerDied
//	store to turn     the next record, by whoever writes it, lies in the other ring
//	store to tail     the record is there; the death epoch wakes the reader
//	while reading     the writer gets ErrPeerDied; a new reader gets the record
//	store to head     it was read; the epoch wakes the writer
//	owner stored      the end is a dead process's
//	owner cleared     the end is nobody's: the other waits
//	closed            it is closed, or lost; the epoch wakes the other
//
// # Ends
//
// An end belongs to the process that opened it, until it is closed, handed over,
// or the process is dead; then another may open it, and goes on where tail or
// head says. Between two owners the peer just waits, until an end that nobody has
// is said to be lost. That the owner is dead is looked for only when there is
// nothing else to do, and what the dead had published is looked at once more
// afterwards.
//
// # Sleeping without a barrier for each record
//
// A sleeper stores waiting and looks again; a waker publishes and looks at
// waiting. One of the two must see the other, which takes a full barrier on both
// sides between the store and the look: on amd64 this doubled the cost of a record
// in a prototype, for somebody who sleeps once in a thousand. So the waker leaves its
// barrier out, and the sleeper makes it for both, by sys.Barrier (Linux's
// membarrier), between its store and its look: whatever the waker published before
// is seen by the look, and whatever it publishes later is followed by a look
// that sees waiting.
//
// This needs a sleeper that can make barriers, which it says in its end, and a
// waker that is reached by them. Otherwise the waker publishes with a barrier of
// its own. A sleeper that cannot, in place of one that could, waits once so long
// that no store can still be on its way.
//
// On arm64 an ordinary atomic store and load are ordered as needed and nobody
// needs more.
type streamMemory struct {
	tail, head     *shared.Uint64
	turn, read     *shared.Uint64
	writer, reader *streamEnd
	large, small   streamRing
	fixed          int    // length of all records, or -1
	stride         uint64 // what each takes, if fixed
	header         uint64 // bytes before a message
	edges          *streamEdges
}

// streamEdges are what the race detector sees of a stream whose ends are both in
// this process.
type streamEdges struct {
	written edge // from Commit to Take
	read    edge // from Release to TryClaim
}

// edgesOf finds the edges by the address of the memory. They are never removed:
// another stream there later only gets edges too many, and only under the race
// detector.
var edgesOf sync.Map // *byte → *streamEdges

func findEdges(mem []byte) *streamEdges {
	if !race.Enabled {
		return new(streamEdges)
	}
	edges, _ := edgesOf.LoadOrStore(&mem[0], new(streamEdges))
	return edges.(*streamEdges)
}

// A streamEnd is what an end says of itself.
type streamEnd struct {
	owner   shared.Uint32 // incarnation; written by who opens, and hands over
	rung    shared.Uint32 // raised by the peer; the owner sleeps on it
	closed  shared.Uint32 // endOpen, then another for ever; written by the owner, or Lose
	barrier shared.Uint32 // 1: I make the barrier before I sleep; by the owner
	waiting shared.Uint32 // 1: wake me; written by the owner, cleared by the peer
}

// What closed says.
const (
	endOpen   = 0
	endClosed = 1 // by its owner
	endLost   = 2 // nobody can come to have it any more
)

// MaxStreamCapacity is the largest size of a Stream.
const MaxStreamCapacity = 1 << 31

const (
	streamMagic  = 0x3253_706d // "mpS2"
	streamHeader = 640
	recordHeader = 16
	recordAlign  = 16
	minStream    = 64

	kindMessage = 0
	kindSkip    = 1
	kindTag     = 0xff << tagShift
	tagShift    = 8
)

type streamGeometry struct {
	magic    shared.Uint32
	capacity uint32
	fixed    uint32
	small    uint32
}

// StreamSize is the memory of a Stream of capacity bytes; a power of two is made
// of that. Each record takes 16 bytes more than it has, rounded up to 16; without
// the 16 if all have the same length.
func StreamSize(capacity int) (int, error) {
	if capacity < 1 {
		return 0, fmt.Errorf("ipc: a stream of %d bytes: the capacity must be at least 1", capacity)
	}
	if uint64(capacity) > MaxStreamCapacity {
		return 0, fmt.Errorf("ipc: a stream of %d bytes: %w", capacity, shm.ErrTooLarge)
	}
	large := streamCapacity(capacity)
	return streamHeader + int(large) + int(smallRing(large)), nil
}

func streamCapacity(capacity int) uint32 {
	return 1 << bits.Len32(uint32(max(capacity, minStream)-1))
}

// MaxRecord is the length of the longest record of a Stream of capacity bytes.
func MaxRecord(capacity int) int { return int(streamCapacity(capacity)/2 - recordHeader) }

// InitStream makes an empty stream in mem, which must begin at a multiple of 64
// and have at least StreamSize bytes.
func InitStream(mem []byte, capacity int) error { return InitFixedStream(mem, capacity, -1) }

// InitFixedStream is InitStream for records that are all of length bytes, at most
// MaxRecord. With a length of -1 it is InitStream.
func InitFixedStream(mem []byte, capacity, length int) error {
	size, err := StreamSize(capacity)
	switch {
	case err != nil:
		return err
	case length < -1 || length > MaxRecord(capacity):
		return fmt.Errorf("ipc: records of %d bytes in a stream of %d: %w", length, capacity, shm.ErrTooLarge)
	case len(mem) < size:
		return fmt.Errorf("ipc: a stream of %d bytes in %d bytes of memory", size, len(mem))
	}
	large := streamCapacity(capacity)
	initStream(mem, large, smallRing(large), length, 0)
	return nil
}

// initStream begins at a position, which is 0 but in tests.
func initStream(mem []byte, large, small uint32, fixed int, pos uint64) {
	clear(mem[:streamHeader])
	g := shm.At[streamGeometry](mem, 0)
	g.capacity, g.small, g.fixed = large, small, uint32(fixed+1)
	m := viewStream(mem, large, small, fixed)
	m.tail.Store(pos)
	m.turn.Store(m.firstTurn(pos))
	m.read.Store(nothingRead)
	m.head.Store(pos)
	g.magic.Store(streamMagic)
}

// openStream checks what mem holds, which is not trusted.
func openStream(mem []byte) (streamMemory, error) {
	if len(mem) < streamHeader {
		return streamMemory{}, fmt.Errorf("ipc: a stream in %d bytes of memory: %w", len(mem), shm.ErrDamaged)
	}
	g := shm.At[streamGeometry](mem, 0)
	magic, large, small, fixed := g.magic.Load(), g.capacity, g.small, int64(g.fixed)-1
	isRing := func(size uint32) bool { return size >= minStream && bits.OnesCount32(size) == 1 }
	fits := isRing(large) && (small == 0 || isRing(small) && small <= large) &&
		uint64(large)+uint64(small) <= uint64(len(mem)-streamHeader) && fixed <= int64(MaxRecord(int(large)))
	if magic != streamMagic || !fits {
		return streamMemory{}, fmt.Errorf("ipc: no stream here: magic %#x, %d and %d bytes in %d, records of %d: %w",
			magic, large, small, len(mem), fixed, shm.ErrDamaged)
	}
	return viewStream(mem, large, small, int(fixed)), nil
}

func viewStream(mem []byte, large, small uint32, fixed int) streamMemory {
	rings := mem[streamHeader:]
	m := streamMemory{
		tail:   shm.At[shared.Uint64](mem, 128),
		turn:   shm.At[shared.Uint64](mem, 136),
		read:   shm.At[shared.Uint64](mem, 144),
		head:   shm.At[shared.Uint64](mem, 256),
		writer: shm.At[streamEnd](mem, 384),
		reader: shm.At[streamEnd](mem, 512),
		large:  viewRing(rings[:large:large]),
		small:  viewRing(rings[large:][:small:small]),
		fixed:  fixed,
		edges:  findEdges(mem),
	}
	if fixed < 0 {
		m.header = recordHeader
	} else {
		m.stride = max(recordSize(fixed)-recordHeader, recordAlign)
	}
	return m
}

// recordSize is what a record of n bytes takes with its header.
func recordSize(n int) uint64 {
	return recordHeader + (uint64(n)+recordAlign-1)&^(recordAlign-1)
}

// size is what a record of n bytes takes.
func (m *streamMemory) size(n int) uint64 {
	if m.fixed >= 0 {
		return m.stride
	}
	return recordSize(n)
}

// putHeader stores a header as one word, which the compiler would not do with a
// length of 32 bits. The length is less than that.
func putHeader(rec []byte, kind uint64, length int) {
	binary.LittleEndian.PutUint64(rec, kind<<32|uint64(length))
}

// getHeader loads a header once: it may change if the peer is hostile.
func getHeader(rec []byte) (length, kind uint64) {
	word := binary.LittleEndian.Uint64(rec)
	return word & (1<<32 - 1), word >> 32
}

func damagedStream(tail, head uint64) error {
	return fmt.Errorf("ipc: a stream's tail is %#x and its head %#x: %w", tail, head, shm.ErrDamaged)
}
