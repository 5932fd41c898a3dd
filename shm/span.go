package shm

import "math/bits"

// Small blocks share a unit: a span of one size class. Its own headers lie at its
// beginning, the blocks behind them. A span stays one: its free blocks serve the
// next of their class.
//
// Blocks that list others (flagCarries) have spans of their own, so that whoever
// looks for a list need not look at all blocks.
const (
	smallestShift = 6  // 64 bytes, a cache line
	largestShift  = 14 // 16 KiB; above, a run
	sizes         = largestShift - smallestShift + 1
	classes       = 2 * sizes
)

// class is a size class: blocks of 64 << class bytes; from sizes on, once more for
// blocks that list others.
type class int

// classFor is the smallest class that holds n bytes; ok is false for a run.
func classFor(n int, carries bool) (c class, ok bool) {
	if n > 1<<largestShift {
		return 0, false
	}
	c = class(max(0, bits.Len(uint(n-1))-smallestShift))
	if carries {
		c += sizes
	}
	return c, true
}

func (c class) carries() bool { return c >= sizes }

func (c class) blockSize() int { return 1 << (smallestShift + int(c)%sizes) }

// perSpan is how many blocks a span of the class has.
func (c class) perSpan() int { return unitSize / (c.blockSize() + headerSize) }

// firstBlock is where the blocks begin: behind the headers, and so that the last
// one ends with the unit. That keeps all of them aligned to their size.
func (c class) firstBlock() int { return unitSize - c.perSpan()*c.blockSize() }

// index is which block of a span begins so many bytes from the unit's start.
func (c class) index(within int64) int { return (int(within) - c.firstBlock()) / c.blockSize() }

// spanHeaders are the headers of the span in unit u.
func (a *Arena) spanHeaders(u int, c class) []header {
	return SliceAt[header](a.base, int(a.geo.unitOffset(u)), c.perSpan())
}

// blockOffset is where block i of the span in unit u lies.
func (a *Arena) blockOffset(u int, c class, i int) int64 {
	return a.geo.unitOffset(u) + int64(c.firstBlock()+i*c.blockSize())
}

// spanClass is the class of the span in unit u, if it is one.
func (a *Arena) spanClass(u int) (class, bool) {
	s := a.units[u].load()
	if s.phase() != span || s.operand() >= classes {
		return 0, false
	}
	return class(s.operand()), true
}

// claimSmall takes a free block of the class for this process. Where there is no
// memory for another span, blocks that list nothing may lie among those that do.
func (a *Arena) claimSmall(c class) (place, error) {
	if p, ok := a.claimInSpans(c); ok {
		return p, nil
	}
	p, err := a.claimInNewSpan(c)
	if err != nil && !c.carries() {
		if p, ok := a.claimInSpans(c + sizes); ok {
			return p, nil
		}
	}
	return p, err
}

// claimInSpans looks where this process found or freed a block last, then through
// all spans of the class.
func (a *Arena) claimInSpans(c class) (place, bool) {
	at := a.cursors[c].Load()
	top := a.top()
	from, index := int(at>>32), int(uint32(at))
	for n := range top {
		u := from + n
		if u >= top {
			u -= top
		}
		if u < 0 || u >= top {
			break // the mark stood elsewhere when the cursor was set
		}
		if k, ok := a.spanClass(u); ok && k == c {
			if p, ok := a.claimInSpan(u, c, index); ok {
				return p, true
			}
		}
		index = 0
	}
	return place{}, false
}

// claimInSpan tries all blocks of a span, beginning with block first.
func (a *Arena) claimInSpan(u int, c class, first int) (place, bool) {
	hs := a.spanHeaders(u, c)
	for n := range hs {
		i := first + n
		if i >= len(hs) {
			i -= len(hs)
		}
		s := hs[i].load()
		if s.phase() == free && hs[i].cas(s, s.next(a.self)) {
			a.cursors[c].Store(cursorAt(u, i+1))
			return place{head: &hs[i], unit: u, offset: a.blockOffset(u, c, i), size: c.blockSize()}, true
		}
	}
	return place{}, false
}

func cursorAt(u, i int) uint64 { return uint64(u)<<32 | uint64(uint32(i)) }

// claimInNewSpan turns a free unit into a span and takes its first free block.
// Killed on the way, the unit is still claimed, and is emptied with the dead's
// other claims.
func (a *Arena) claimInNewSpan(c class) (place, error) {
	for {
		u, err := a.claimRun(1)
		if err != nil {
			return place{}, err
		}
		if err := a.reserve(u, 1, unitSize); err != nil {
			return place{}, err
		}
		h := &a.units[u]
		h.put(makeState(span, uint32(c), h.load().gen())) // its headers are zero: free, use 0
		if p, ok := a.claimInSpan(u, c, 0); ok {
			return p, nil
		}
		// Others took all of its blocks first.
	}
}
