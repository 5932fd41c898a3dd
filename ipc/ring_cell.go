package ipc

import (
	"fmt"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A cellHeader is a cell. The message lies elsewhere; see cellLayout.
//
//	0   state    8  see below
//	8   length   4  of the message; written by the claimer, read by the taker
//	12  attempt  2  how often it was taken before; 0 by the claimer, raised by heirs
//	14  kind     2  reserved: 0 the message is in the cell; others for later: in
//	                the cell's attached buffer, in a block of its own
//
// The state is one word, so that no phase is without its owner at any time:
//
//	bits 63..34  lap, goes round
//	bit  33      grouped: the owner has the following cells as well; see ring_group.go
//	bits 32..2   owner: an incarnation in the phases writing and reading, else 0
//	bits 1..0    phase: vacant, writing, ready, reading
//
// Only the owner of a cell may touch anything but its state, and nobody's else
// while it is ready or vacant. The change of state hands the rest over.
type cellHeader struct {
	state   shared.Uint64
	length  uint32
	attempt uint16
	kind    uint16
}

const cellHeaderSize = 16

const (
	vacant  = 0
	writing = 1
	ready   = 2
	reading = 3

	phaseMask  = 3
	ownerShift = 2
	grouped    = 1 << 33
	lapShift   = 34
	lapUnit    = 1 << lapShift
	lapMask    = ^uint64(lapUnit - 1)
)

func ownerField(i shm.Incarnation) uint64 { return uint64(i) << ownerShift }

func ownerOf(state uint64) shm.Incarnation {
	return shm.Incarnation(state >> ownerShift & ownerMask)
}

// vacantAt is the state {lap of pos, vacant}: 30 bits of the lap remain.
func vacantAt(pos uint64, shift uint) uint64 { return pos >> shift << lapShift }

// passed is the state after whatever happened at state's position.
func passed(state uint64) uint64 { return state&lapMask + lapUnit }

// lapsBeyond is how many laps a state is ahead of the state {l, vacant}, negative
// if it is behind, whenever that is less than 2²⁹; in units of 2³⁴.
func lapsBeyond(state, vacant uint64) int64 { return int64(state&lapMask - vacant) }

// sound reports whether the owner field and the flag suit the phase.
func sound(state uint64) bool {
	owned := state&phaseMask == writing || state&phaseMask == reading
	return owned == (ownerOf(state) != shm.Nobody) && (owned || state&grouped == 0)
}

func damagedState(state uint64) error {
	return fmt.Errorf("ipc: a cell's state is %#x: %w", state, shm.ErrDamaged)
}

func damagedPosition(pos uint64) error {
	return fmt.Errorf("ipc: a ring's position is %#x: %w", pos, shm.ErrDamaged)
}

// at is the cell of a position, nil if there is none: the position was read from
// shared memory.
func (c *cells) at(pos uint64) *cellHeader {
	return c.atIndex(pos & c.mask)
}

func (c *cells) atIndex(i uint64) *cellHeader {
	if i >= c.capacity {
		return nil
	}
	return c.cell(i)
}

// simple is how many indexes there are, without the one after which next skips some.
func simple(capacity uint32) uint64 {
	if capacity&(capacity-1) == 0 {
		return uint64(capacity)
	}
	return uint64(capacity - 1)
}

// next is the position after pos. Where the capacity is no power of two, it skips
// the indexes that have no cell.
func (c *cells) next(pos uint64) uint64 {
	if pos&c.mask == c.capacity-1 {
		pos |= c.mask
	}
	return pos + 1
}
