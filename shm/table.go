package shm

import (
	"fmt"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
)

// A slot of the process table is one process at a time:
//
//	0    status     phase, owner, generation: one word
//	8    pid        ┐ for people and for the proof of death; written by
//	16   started    │ the process itself before it is alive, each with
//	24   namespace  ┘ its generation (tagged)
//	32   announced  generation whose death has been announced
//	36   condemned  generation that must not have children any more (family.go)
//	128  robust     kernel robust list, read by the kernel at death (robust_unsafe.go)
//	160  life       the process's futex word on that list
//
// Life of a slot. Each arrow is one CAS on status:
//
//	vacant(g) ──Reserve──▶ reserved(g+1, parent) ──join──▶ alive(g+1, parent)
//	    ▲                            │                            │
//	    └──── buried ──── dead(g+1, undertaker) ◀────── proof of death
//
// A parent reserves the slot before it starts the child, so that a full table is
// the parent's error; a child that finds its reservation gone must not begin. It
// may find that out late: until it is alive it touches nothing in the slot but
// the tagged words, where it cannot spoil what a later process wrote. A slot
// stays dead until its holds are cleared from all blocks, and only its undertaker
// does that: a slot reused in the meantime would lose holds of its own. An
// undertaker that is killed is buried by the next, with all it began.
type slot struct {
	status    shared.Uint64
	pid       tagged
	started   tagged
	namespace tagged
	announced shared.Uint32
	condemned shared.Uint32
	_         [128 - 40]byte

	robust robustList
	life   shared.Uint32
	_      [128 - 36]byte
}

// Bits of the life word, from the kernel's include/uapi/linux/futex.h. Below them
// is the guardian's thread. A word of 0 is that of a process without a guardian
// that the kernel knows of: then nothing marks its death.
const (
	lifeDied    = 0x40000000 // FUTEX_OWNER_DIED: set by the kernel at death
	lifeWaiters = 0x80000000 // FUTEX_WAITERS: always set, so that the kernel wakes a guardian
)

// slotStatus: generation in bits 0–22, phase in 23–24, owner in 25–55.
type slotStatus uint64

type slotPhase uint8

const (
	vacant slotPhase = iota
	reserved
	alive
	dead
)

const slotGenBits = 31 - slotBits

func makeStatus(p slotPhase, owner Incarnation, gen uint32) slotStatus {
	return slotStatus(gen) | slotStatus(p)<<slotGenBits | slotStatus(owner)<<(slotGenBits+2)
}

func (s slotStatus) gen() uint32        { return uint32(s) & (1<<slotGenBits - 1) }
func (s slotStatus) phase() slotPhase   { return slotPhase(s>>slotGenBits) & 3 }
func (s slotStatus) owner() Incarnation { return Incarnation(s >> (slotGenBits + 2)) }
func (s slotStatus) peopled() bool      { return s.phase() == reserved || s.phase() == alive }

func (s *slot) load() slotStatus {
	look()
	return slotStatus(s.status.Load())
}

func (s *slot) cas(from, to slotStatus) bool {
	step()
	return s.status.CompareAndSwap(uint64(from), uint64(to))
}

// A tagged word is what one generation of a slot says of itself: the value, and
// in the low bits the generation.
type tagged struct{ word shared.Uint64 }

// set writes v for the process that the slot is reserved for, as mine says, and
// reports false if it is no longer. That may happen at any moment, and a next one
// may write here: so the status is looked at after the word. If it was ours then,
// a next one had not written when we looked at the word; if it has since, our CAS
// fails, and if it has not yet, it writes over ours.
func (t *tagged) set(v uint64, s *slot, mine slotStatus) bool {
	for {
		was := t.word.Load()
		if s.load() != mine {
			return false
		}
		step()
		if t.word.CompareAndSwap(was, v<<slotGenBits|uint64(mine.gen())) {
			return true
		}
	}
}

// get is what generation gen wrote, if it is still there.
func (t *tagged) get(gen uint32) (v uint64, ok bool) {
	w := t.word.Load()
	return w >> slotGenBits, w&(1<<slotGenBits-1) == uint64(gen)
}

// Self is this process's incarnation in the arena.
func (a *Arena) Self() Incarnation { return a.self }

// Epoch is the word that is raised, and whose sleepers are all woken, after each
// proven death.
func (a *Arena) Epoch() *shared.Uint32 { return &a.head.epoch }

// Alive reports whether i may still run. False is a proof of death and final. A
// name that the arena has not given out yet, as found in damaged memory, is no
// proof of anything, so it counts as alive.
func (a *Arena) Alive(i Incarnation) bool {
	if !i.Valid() {
		return i != DeadOwner && i != Nobody
	}
	s := a.slots[i.Slot()].load()
	if s.gen() == i.Generation() {
		return s.peopled()
	}
	return laterGeneration(i.Generation(), s.gen())
}

// laterGeneration reports whether g comes after h on the circle of generations.
func laterGeneration(g, h uint32) bool {
	ahead := (g - h) & (1<<slotGenBits - 1)
	return ahead < 1<<(slotGenBits-1)
}

// Reserve takes a slot for a child that this process is about to start. The
// child takes it over with Attach; Bury gives it back.
func (a *Arena) Reserve() (Incarnation, error) {
	begin := int(a.nextSlot.Add(1))
	for n := range a.slots {
		at := (begin + n) % len(a.slots)
		s := a.slots[at].load()
		if s.phase() != vacant {
			continue
		}
		gen := nextGeneration(s.gen())
		if !a.slots[at].cas(s, makeStatus(reserved, a.self, gen)) {
			continue
		}
		i := makeIncarnation(at, gen)
		if a.isCondemned(a.self) { // looked at after the place was reserved; see condemn
			a.Bury(i)
			return Nobody, fmt.Errorf("shm: this process is being killed: %w", ErrClosed)
		}
		return i, nil
	}
	return Nobody, fmt.Errorf("shm: %w: %d processes live in this arena; wait for some to end", ErrProcessTableFull, MaxProcesses)
}

// join makes this process the one that i names: it writes who it is, and starts
// its guardian, which claims the slot. Killed before the claim, the slot is still
// reserved by the parent, who learns of the end as of any child's; killed after
// it and before the kernel knows of the guardian, others look at its pidfd.
func (a *Arena) join(i Incarnation, from slotStatus) error {
	a.self, a.parent = i, from.owner()
	if !a.slots[i.Slot()].describe(myself(), from) || !a.startGuardian(from) {
		return fmt.Errorf("shm: place %v in the process table: %w", i, ErrWithdrawn)
	}
	a.appear()
	return nil
}

// appear has the others look at the table, and so at this process.
func (a *Arena) appear() {
	step()
	a.head.tableVersion.Add(1)
	wakeAll(&a.head.tableVersion)
}

// joinFirst makes this process the first of a new arena, which nobody else knows.
func (a *Arena) joinFirst() error {
	s := &a.slots[0]
	mine := makeStatus(reserved, Nobody, nextGeneration(s.load().gen()))
	s.cas(s.load(), mine)
	return a.join(makeIncarnation(0, mine.gen()), mine)
}

func wakeAll(w *shared.Uint32) {
	step()
	futex.WakeAll(w)
}

// A ProcessEntry is what the table knows of a process.
type ProcessEntry struct {
	Incarnation Incarnation // the process
	Parent      Incarnation // who started it, or Nobody
	PID         int         // process id, for people; 0 if nobody knows it any more
}

// Processes lists those who live in the arena now.
func (a *Arena) Processes() []ProcessEntry {
	var list []ProcessEntry
	for at := range a.slots {
		s := &a.slots[at]
		st := s.load()
		if st.phase() != alive {
			continue
		}
		list = append(list, ProcessEntry{
			Incarnation: makeIncarnation(at, st.gen()),
			Parent:      st.owner(),
			PID:         s.processID(st.gen()),
		})
	}
	return list
}

// PID is the process id of i, dead or alive; 0 if nobody knows it any more. It is
// for people: the number may be another process's by now.
func (a *Arena) PID(i Incarnation) int {
	if !i.Valid() {
		return 0
	}
	return a.slots[i.Slot()].processID(i.Generation())
}

// processID is the pid of a generation of the slot; 0 if it is gone.
func (s *slot) processID(gen uint32) int {
	pid, ok := s.pid.get(gen)
	if !ok {
		return 0
	}
	return int(pid)
}

// Parent is the process that started this one, or Nobody in the first.
func (a *Arena) Parent() Incarnation { return a.parent }
