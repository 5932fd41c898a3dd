package shm

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"

	"github.com/mpgo/mp/internal/sys"
)

// An Arena is the memory that a tree of processes shares: one sealed memfd,
// sparse and large, mapped by each of them for as long as it lives. It has no
// name and no file; when the last process is gone, the kernel frees it.
//
// What is in it is found by offset (layout.go), so it may be mapped anywhere.
// Its words are not trusted to be in range.
type Arena struct {
	seg   *Segment
	base  []byte
	geo   geometry
	id    uint32
	head  *arenaHeader
	slots []slot
	units []header

	self   Incarnation // fixed once the process has joined
	parent Incarnation // likewise

	mu      sync.Mutex
	objects map[uint64]*Object // what this process holds, by offset
	closed  *sync.Cond         // one of objects is gone

	// Where to look first. Hints of this process alone.
	nextSlot atomic.Int64
	nextUnit atomic.Int64
	cursors  [classes]atomic.Uint64

	questions questions
	burial    sync.Mutex
	suspects  suspects
}

// Create makes an arena of at most size bytes of address space, and makes this
// process its first. Memory is used as blocks are made.
func Create(size int64) (*Arena, error) {
	if size < MinArena || size > MaxArena {
		return nil, fmt.Errorf("shm: an arena of %d bytes; it must have between %d and %d", size, int64(MinArena), int64(MaxArena))
	}
	seg, err := NewSegment(size &^ (pageSize - 1))
	if err != nil {
		return nil, err
	}
	a, err := found(seg)
	if err != nil {
		_ = seg.Close()
		return nil, err
	}
	return a, nil
}

// found writes the header of a new arena.
func found(seg *Segment) (*Arena, error) {
	if err := sys.Reserve(seg.File(), 0, headersOffset); err != nil {
		return nil, fmt.Errorf("shm: no memory for the arena's tables: %w", err)
	}
	var id [4]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("shm: %w", err)
	}
	a := view(seg)
	a.writeHeader(binary.LittleEndian.Uint32(id[:]))
	return a, a.joinFirst()
}

func (a *Arena) writeHeader(id uint32) {
	h := a.head
	h.version, h.order, h.word = layoutVersion, orderMark, bits.UintSize/8
	h.size = uint64(a.geo.size)
	h.id, a.id = id, id
	h.magic.Store(layoutMagic) // publishes the header; observed by check
}

// Attach maps the arena behind an inherited descriptor, as the process that the
// parent reserved the slot for.
func Attach(f *os.File, self Incarnation) (*Arena, error) {
	seg, err := MapSegment(f)
	if err != nil {
		return nil, err
	}
	a, err := attach(seg, self)
	if err != nil {
		_ = seg.Close()
		return nil, err
	}
	return a, nil
}

func attach(seg *Segment, self Incarnation) (*Arena, error) {
	if err := check(seg); err != nil {
		return nil, err
	}
	a := view(seg)
	a.id = a.head.id
	if !self.Valid() {
		return nil, fmt.Errorf("shm: %v is no process of an arena", self)
	}
	st := a.slots[self.Slot()].load()
	if st.phase() != reserved || st.gen() != self.Generation() {
		return nil, fmt.Errorf("shm: no place is reserved for process %v: %w", self, ErrWithdrawn)
	}
	return a, a.join(self, st)
}

// check compares the header with what this process would have written.
func check(seg *Segment) error {
	if size := seg.Size(); size < MinArena || size > MaxArena || size%pageSize != 0 {
		return fmt.Errorf("shm: no arena has %d bytes: %w", size, ErrDamaged)
	}
	h := At[arenaHeader](seg.Bytes(), 0)
	if m := h.magic.Load(); m != layoutMagic {
		return fmt.Errorf("shm: this is no arena (it begins with %#x): %w", m, ErrDamaged)
	}
	if h.version != layoutVersion || h.order != orderMark || h.word != bits.UintSize/8 {
		return fmt.Errorf("shm: the arena has layout %d for %d-byte words; this program has %d for %d: build both from the same sources: %w",
			h.version, h.word, layoutVersion, bits.UintSize/8, ErrForeign)
	}
	if h.size != uint64(seg.Size()) {
		return fmt.Errorf("shm: the arena says it has %d bytes, its file has %d: %w", h.size, seg.Size(), ErrDamaged)
	}
	return nil
}

// view lays the arena's types over a segment.
func view(seg *Segment) *Arena {
	b := seg.Bytes()
	geo := geometryOf(int64(len(b)))
	a := &Arena{
		seg:     seg,
		base:    b,
		geo:     geo,
		head:    At[arenaHeader](b, 0),
		slots:   SliceAt[slot](b, slotsOffset, MaxProcesses),
		units:   SliceAt[header](b, headersOffset, geo.units),
		objects: make(map[uint64]*Object),
	}
	a.closed = sync.NewCond(&a.mu)
	return a
}

// File is the arena's memory, to be inherited by children.
func (a *Arena) File() *os.File { return a.seg.File() }

// ID is the random number that begins every Ref of the arena.
func (a *Arena) ID() uint32 { return a.id }

// Size is the arena's address space in bytes.
func (a *Arena) Size() int64 { return a.geo.size }

// Stats is what the arena holds at some moment.
type Stats struct {
	Blocks int   // in use
	Bytes  int64 // asked for by those blocks
	Units  int   // of 64 KiB, in use by blocks or kept for small ones
}

// Stats counts. Blocks come and go meanwhile.
func (a *Arena) Stats() Stats {
	var s Stats
	a.blocks(func(p place) bool {
		s.Blocks++
		s.Bytes += int64(p.head.size.Load())
		return true
	})
	for u := range a.top() {
		if a.units[u].load().phase() != free {
			s.Units++
		}
	}
	return s
}
