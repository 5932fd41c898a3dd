package shm

import "sync/atomic"

// A header stands for one block of memory: a small block of a span, or a run of
// units. It is one cache line:
//
//	0   state    what the block is now, for whom, and which use of it: one word
//	8   size     bytes asked for            ┐ written by the claimer,
//	16  kind     what lives there, flags    │ before the block is live
//	20  typ      digest of the Go type      │
//	24  parent   block it belongs to, or 0  ┘
//	32  holders  a bit for each slot of the process table
//
// State, from the top bit:
//
//	phase       3 bits
//	owner      31 bits  incarnation at work on the block; in a tail the run's
//	                    first unit, in a span its class
//	generation 30 bits  counts the uses of this place; never 0 in use
//
// Life of a block. Each arrow is one CAS, and the only truth: there are no free
// lists, so a kill between two steps loses nothing that a scan does not find.
//
//	free ──claim──▶ claimed(me) ──▶ live ──▶ freeing(me) ──▶ doomed(me) ──▶ drained(me) ──▶ free
//	                                   ▲           │
//	                                   └──revive───┘
//
// A claimed block is its owner's alone. A live block belongs to those whose bit
// is in holders, and to the parcels that carry its Ref (parcel.go). Who clears
// the last bit tries to free it: freeing is the question "is it really held by
// nobody?", asked after everybody can see that it is asked. A process that comes
// to hold it sets its bit first and looks at the state afterwards: so either the
// one who frees sees the bit, or the newcomer sees freeing and revives the block.
// Doomed is decided. A drained run has given its pages back and lets go of its
// tails.
//
// Bits in holders are only ever added and removed one process at a time, never
// stored: a stale Ref may put a bit there for a moment and takes it away again.
//
// The owner was killed in…
//
//	claimed   the next burial empties and frees it (sweep.go)
//	live      its bit is cleared in the burial
//	freeing   the burial makes it live again and asks anew
//	doomed    the burial takes it over and finishes
//	drained   the same; units already free may be others' by now, which their
//	          state tells: they no longer say tail-of-this-run
type header struct {
	state   atomic.Uint64
	size    atomic.Uint64
	kind    atomic.Uint32
	typ     atomic.Uint32
	parent  atomic.Uint64
	holders [MaxProcesses / 64]atomic.Uint64
}

// state is the value of a header's state word.
type state uint64

type phase uint8

const (
	free phase = iota
	claimed
	live
	freeing
	doomed
	drained
	tail
	span
)

const (
	generationBits = 30
	ownerBits      = 31
	maxBlockGen    = 1<<generationBits - 1
)

func makeState(p phase, owner uint32, gen uint32) state {
	return state(p)<<(generationBits+ownerBits) | state(owner)<<generationBits | state(gen)
}

func (s state) phase() phase       { return phase(s >> (generationBits + ownerBits)) }
func (s state) owner() Incarnation { return Incarnation(s.operand()) }
func (s state) operand() uint32    { return uint32(s>>generationBits) & (1<<ownerBits - 1) }
func (s state) gen() uint32        { return uint32(s) & maxBlockGen }

// owned reports whether some process is at work on the block.
func (s state) owned() bool {
	p := s.phase()
	return p == claimed || p == freeing || p == doomed || p == drained
}

// to is the same use of the place in another phase.
func (s state) to(p phase, owner Incarnation) state { return makeState(p, uint32(owner), s.gen()) }

// next is the claim of the following use.
func (s state) next(owner Incarnation) state {
	g := s.gen() + 1
	if g > maxBlockGen {
		g = 1
	}
	return makeState(claimed, uint32(owner), g)
}

func (h *header) load() state { return state(h.state.Load()) }

func (h *header) cas(from, to state) bool {
	return h.state.CompareAndSwap(uint64(from), uint64(to))
}

// put stores a state; only for the owner of the block.
func (h *header) put(s state) { h.state.Store(uint64(s)) }

func (h *header) hold(i Incarnation) {
	h.holders[i.Slot()/64].Or(1 << (i.Slot() % 64))
}

func (h *header) unhold(i Incarnation) {
	h.holders[i.Slot()/64].And(^uint64(1 << (i.Slot() % 64)))
}

func (h *header) heldBy(i Incarnation) bool {
	return h.holders[i.Slot()/64].Load()>>(i.Slot()%64)&1 != 0
}

func (h *header) held() bool {
	for i := range h.holders {
		if h.holders[i].Load() != 0 {
			return true
		}
	}
	return false
}

// slotSet is a set of slots of the process table.
type slotSet [MaxProcesses / 64]uint64

func (s *slotSet) add(i Incarnation) { s[i.Slot()/64] |= 1 << (i.Slot() % 64) }

// unholdAll removes the holds of a set of processes.
func (h *header) unholdAll(dead *slotSet) {
	for i, bits := range dead {
		if bits != 0 && h.holders[i].Load()&bits != 0 {
			h.holders[i].And(^bits)
		}
	}
}

// Kind tells what lives in a block, so that a Ref to one thing is not taken for
// another.
type Kind uint16

// Flags share the kind's word.
const (
	kindMask    = 1<<16 - 1
	flagCarries = 1 << 16 // a parcel: its bytes list Refs that it keeps alive
	flagCarried = 1 << 17 // some parcel has carried this block: ask the parcels, too
	flagParent  = 1 << 18 // some block names this one as its parent
)

func (h *header) is(flag uint32) bool { return h.kind.Load()&flag != 0 }

// parentBits packs a Ref's place and generation into a header's parent word.
func parentBits(r Ref) uint64 { return r.Off/headerSize<<generationBits | uint64(r.Gen) }
