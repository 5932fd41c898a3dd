package shm

import "fmt"

// An Incarnation names one process of an arena for all time: the slot it has in
// the process table and the slot's generation when it took it. A slot is reused
// with the next generation, so a word stamped with an incarnation never speaks
// of a later process.
//
// It is a word that fits beside one flag bit, so that a lock or a cell can hold
// its owner and its state in one atomic word:
//
//	bit  31     always 0 (free for the user's flag)
//	bits 30..8  generation, 1…maxGeneration, never 0
//	bits 7..0   slot
//
// Zero is nobody.
type Incarnation uint32

const (
	slotBits = 8

	// MaxProcesses is how many processes an arena holds at one time.
	MaxProcesses = 1 << slotBits

	// maxGeneration leaves the highest value unused, so that DeadOwner is no
	// process's name.
	maxGeneration = 1<<(31-slotBits) - 2

	// Nobody is the incarnation of no process.
	Nobody Incarnation = 0

	// DeadOwner is never alive and never given to a process: a mark for what
	// belonged to a process that died.
	DeadOwner Incarnation = 1<<31 - 1
)

func makeIncarnation(slot int, generation uint32) Incarnation {
	return Incarnation(generation<<slotBits | uint32(slot))
}

// nextGeneration follows g, going round to 1 at the end.
func nextGeneration(g uint32) uint32 {
	if g >= maxGeneration {
		return 1
	}
	return g + 1
}

// Slot is the index in the process table, 0…MaxProcesses-1.
func (i Incarnation) Slot() int { return int(i & (MaxProcesses - 1)) }

// Generation counts the processes that had the slot.
func (i Incarnation) Generation() uint32 { return uint32(i) >> slotBits }

// Valid reports whether i can be a process's name. A word read from shared
// memory may hold anything.
func (i Incarnation) Valid() bool {
	g := i.Generation()
	return i>>31 == 0 && g >= 1 && g <= maxGeneration
}

// String is "slot.generation", or "nobody".
func (i Incarnation) String() string {
	switch {
	case i == Nobody:
		return "nobody"
	case i == DeadOwner:
		return "a dead owner"
	}
	return fmt.Sprintf("%d.%d", i.Slot(), i.Generation())
}
