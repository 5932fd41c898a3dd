package ipc

import (
	"github.com/mpgo/mp/internal/prefetch"
	"github.com/mpgo/mp/internal/shared"
)

// A lead is what the putting side of a ring knows of how far the other side is away, while it
// puts single messages one after the other.
//
// A producer claims a cell by a CAS, fills it and publishes it by a barrier, and the next one
// after that: so each message waits by itself for the lines that the other side had last. A
// producer that is far enough away has them fetched before: then it waits for none, also where
// it takes half a microsecond from core to core. Near the other side that would be wrong: what
// is fetched there is about to be looked at, and has to be fetched back. (Two processes, 64
// bytes, room for 1024, 40 passes: 17.8 M/s without, 20.1 with, and 9.0 and 11.7 where the
// CPUs were far from each other.) Where consumers did the same it made nothing better, and
// batches became slower by it, 48.7 to 39.3 M/s, on either side: what lies in order the CPU
// fetches by itself, where no locked operation comes between.
//
// It is only about speed: what it says may be wrong, and nothing else depends on it. So the
// goroutines of a process share it without care.
type lead struct {
	last shared.Uint64 // position of the last step
	row  shared.Uint64 // steps in a row: this process was at every stepCells-th position
	far  shared.Uint64 // 1: the other side was leadLeast cells away, or more
}

// A step comes every stepCells cells.
const (
	stepCells = 8
	fetchLead = 32 // cells from the one that comes now to those that are fetched
	lookEvery = 8  // steps
	lookFirst = 4  // steps in a row before the first look

	// leadLeast is so much that it lasts for all messages up to the next look, if the
	// other side does not move at all.
	leadLeast = stepCells*(lookEvery+1) + fetchLead
)

// leads reports whether there are enough cells for a lead, and messages are short: they are
// fetched as a whole.
func leads(capacity, inline uint32) bool {
	return capacity >= 4*leadLeast && inline <= mostQuick
}

// step is taken where the position is a multiple of stepCells. The other side is at
// other+ahead. The error is nil.
func (l *lead) step(c *cells, pos uint64, other *shared.Uint64, ahead uint64) error {
	row := l.row.Load() + 1
	if pos-l.last.Load() != stepCells {
		row = 0
	}
	storeRelease(&l.last, pos)
	storeRelease(&l.row, row)
	if row < lookFirst {
		return nil
	}
	if row%lookEvery == lookFirst {
		far := uint64(0)
		if int64(other.Load()+ahead-pos) >= leadLeast {
			far = 1
		}
		storeRelease(&l.far, far)
	}
	if l.far.Load() != 0 {
		c.fetch(pos&c.mask+fetchLead, stepCells)
	}
	return nil
}

// fetch has n cells fetched, and their messages, unless the ring ends there.
func (c *cells) fetch(index, n uint64) {
	if index+n > c.capacity {
		return
	}
	l := c.layout
	if l.apart() {
		prefetch.ForWriting(c.first.pointer(index*l.stride), int(n*l.stride/cellAlign), cellAlign)
	}
	prefetch.ForWriting(c.message(index), int(n*l.room/cellAlign), cellAlign)
}
