package ipc

import (
	"github.com/mpgo/mp/internal/prefetch"
	"github.com/mpgo/mp/internal/shared"
)

// A lead is what one side of a ring knows of how far the other side is away, while it puts,
// or gets, single messages one after the other.
//
// A side claims a cell by a CAS, and the next one after that: so each waits by itself for
// the lines that the other side had last. A side that is far enough away has them fetched
// before: then it waits for none, also where it takes half a microsecond from core to core.
// Near the other side that would be wrong: what is fetched there is still at work, or is
// about to be looked at, and has to be fetched back. (Two processes, 64 bytes, room for
// 1024, 14 passes: 15.4 M/s without, 19.3 with; lower quartiles 9.0 and 17.3. Groups
// gain less, since who claims eight cells at once looks at all of them at once: nothing where
// the CPUs are near each other, 28.9 instead of 17.5 M/s where they often were not.)
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
	stepCells = 4
	fetchLead = 8  // cells from the one that comes now to those that are fetched
	lookEvery = 16 // steps
	lookFirst = 4  // steps in a row before the first look

	// leadLeast is so much that it lasts for all messages up to the next look, if the
	// other side does not move at all.
	leadLeast = stepCells*(lookEvery+1) + fetchLead
)

// leads reports whether there are enough cells for a lead of both sides, and they are short:
// a cell is fetched as a whole.
func leads(capacity, stride uint32) bool {
	return capacity >= 4*leadLeast && stride <= uint32(strideFor(mostQuick))
}

// step is taken where the position is a multiple of stepCells. The other side is at
// other+ahead.
func (l *lead) step(c *cells, pos uint64, other *shared.Uint64, ahead uint64) {
	row := l.row.Load() + 1
	if pos-l.last.Load() != stepCells {
		row = 0
	}
	storeRelease(&l.last, pos)
	storeRelease(&l.row, row)
	if row < lookFirst {
		return
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
}

// bulkLead is fetchLead for groups of cells.
const bulkLead = 3 * groupSize

// isFar reports whether the other side, at other, is so far ahead of pos that so many cells
// and those to be fetched beyond them come first.
func (c *cells) isFar(pos, other uint64, cells int) bool {
	return int64(other-pos) >= int64(cells+bulkLead+groupSize)
}

// fetch has n cells fetched, unless the ring ends there.
func (c *cells) fetch(index, n uint64) {
	if index+n <= c.capacity {
		prefetch.ForWriting(c.first.pointer(index*c.stride), int(n*c.stride/cellAlign), cellAlign)
	}
}
