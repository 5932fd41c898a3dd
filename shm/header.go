package shm

import "github.com/mpgo/mp/internal/shared"

// A header stands for one block of memory: a small block of a span, or a run of
// units. It is one cache line:
//
//	0   state    what the block is now, for whom, and which use of it: one word
//	8   size     bytes asked for            ┐ written by the claimer,
//	16  kind     what lives there, flags    │ before the block is live
//	20  typ      digest of the Go type      ┘
//	24  anchor   what keeps it alive beside its holders
//	32  holders  a bit for each slot of the process table
//
// State, from the top bit:
//
//	phase       3 bits
//	owner      31 bits  incarnation at work on the block; in a tail the run's
//	                    first unit, in a span its class
//	generation 30 bits  counts the uses of this place; never 0 in use
//
// Life of a block. Each arrow is one CAS or, where the block has an owner, its
// store; and the only truth: there are no free lists, so a kill between two
// steps loses nothing that a scan does not find.
//
//	free ──claim──▶ claimed(me) ──▶ live ──▶ freeing(me) ──▶ doomed(me) ──▶ free
//	                                   ▲           │
//	                                   └──revive───┘
//
// A claimed block is its owner's alone. A live block belongs to those whose bit
// is in holders, to its anchor, and to the parcels that carry its Ref
// (parcel.go). Who lets go of it last tries to free it: freeing is the question
// "is it really needed by nobody?", asked after everybody can see that it is
// asked. A process that comes to hold it sets its bit first and looks at the
// state afterwards: so either the one who asks sees the bit, or the newcomer sees
// freeing and revives the block. Doomed is decided.
//
// A question is known by the process that asks and the use of the block. So a
// process asks about a block one question at a time (arena.questions): of two,
// one could be answered and the other, asked after a revival, be doomed by it.
//
// A bit in holders is set by its own process only, under arena.mu, and removed by
// it or, once it is dead, by its undertaker. Bits are never stored, so a late one
// may lie on a block of any phase: a stale Ref puts it there for a moment. The
// undertaker looks for the dead's bits everywhere.
//
// The owner was killed in…
//
//	claimed   the next burial empties and frees it (sweep.go)
//	live      its bit is cleared in the burial
//	freeing   the burial makes it live again and asks anew
//	doomed    the burial takes it over and finishes
type header struct {
	state   shared.Uint64
	size    shared.Uint64
	kind    shared.Uint32
	typ     shared.Uint32
	anchor  shared.Uint64
	holders [MaxProcesses / 64]shared.Uint64
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
	return p == claimed || p == freeing || p == doomed
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

// isTailOf reports whether s is a tail of the run that begins at unit at.
func (s state) isTailOf(at int) bool { return s.phase() == tail && int(s.operand()) == at }

// usable reports whether the block is to be had as generation gen. Whoever asks
// whether it is needed may yet be told so.
func (s state) usable(gen uint32) bool {
	return s.gen() == gen && (s.phase() == live || s.phase() == freeing)
}

func (h *header) load() state {
	look()
	return state(h.state.Load())
}

func (h *header) cas(from, to state) bool {
	step()
	return h.state.CompareAndSwap(uint64(from), uint64(to))
}

// put stores a state; only for the owner of the block.
func (h *header) put(s state) {
	step()
	h.state.Store(uint64(s))
}

func (h *header) hold(i Incarnation) {
	step()
	h.holders[i.Slot()/64].Or(1 << (i.Slot() % 64))
}

func (h *header) unhold(i Incarnation) {
	step()
	h.holders[i.Slot()/64].And(^uint64(1 << (i.Slot() % 64)))
}

func (h *header) held() bool {
	look()
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
			step()
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
	flagParent  = 1 << 18 // some block names this one as its anchor
)

func (h *header) is(flag uint32) bool { return h.kind.Load()&flag != 0 }

func (h *header) mark(flag uint32) {
	if !h.is(flag) {
		step()
		h.kind.Or(flag)
	}
}

// An anchor is what keeps a block alive beside its holders:
//
//	0            nothing
//	below 1<<31  the process that it is addressed to, as long as that is alive
//	above        the block that it belongs to: its place, then 30 bits generation
//
// It is set by a process that holds the block, and removed by who comes to hold it.
type anchor uint64

// anchorAt is the block r as an anchor. No block lies so near the arena's start
// that it could be taken for a process.
func anchorAt(r Ref) anchor { return anchor(r.Word()) }

func (k anchor) isProcess() bool      { return k < 1<<31 }
func (k anchor) process() Incarnation { return Incarnation(k) }
func (k anchor) gen() uint32          { return uint32(k) & maxBlockGen }
func (k anchor) offset() uint64       { return uint64(k) >> generationBits * headerSize }

func (h *header) anchored() anchor {
	look()
	return anchor(h.anchor.Load())
}

// tie sets the anchor; only for a process that holds the block.
func (h *header) tie(to anchor) {
	step()
	h.anchor.Store(uint64(to))
}

// retie is tie if the anchor is still the old one, which it reports.
func (h *header) retie(old, to anchor) bool {
	step()
	return h.anchor.CompareAndSwap(uint64(old), uint64(to))
}

// untie removes the anchor if it is this one.
func (h *header) untie(from anchor) {
	if h.anchored() == from {
		step()
		h.anchor.CompareAndSwap(uint64(from), 0)
	}
}
