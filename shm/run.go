package shm

import (
	"fmt"
	"syscall"

	"github.com/mpgo/mp/internal/sys"
)

// Blocks larger than the largest class are runs of units. The first unit's
// header is the block's; the others are its tails and name it.
//
// A run is claimed unit by unit, each by its own CAS; then the tails are written,
// from the first to the last, and the head goes live. It is freed backwards: pages
// first, then the tails from the last to the first, then the head. So at any time
// the tails that name a head follow it without a gap, and are its owner's: who
// finishes what a dead process began finds how far it got. A unit that says
// something else belongs to somebody else.

// claimRun takes n free units in a row for this process.
func (a *Arena) claimRun(n int) (int, error) {
	for _, from := range [...]int{int(a.nextUnit.Load()), 0} {
		if u, err := a.searchRun(from, n); u >= 0 || err != nil {
			return u, err
		}
	}
	return -1, fmt.Errorf("shm: the arena of %d bytes has no %d free bytes in one piece; free something, or make it larger before its first use: %w",
		a.geo.size, n*unitSize, syscall.ENOSPC)
}

// searchRun tries every place from the unit at on; -1 if there is none.
func (a *Arena) searchRun(at, n int) (int, error) {
	for at+n <= a.geo.units {
		busy := a.lastBusy(at, n)
		if busy < 0 {
			if err := a.raise(at + n); err != nil {
				return -1, fmt.Errorf("shm: no memory for the arena's tables: %w", err)
			}
			busy = a.tryClaim(at, n)
		}
		if busy < 0 {
			a.nextUnit.Store(int64(at + n))
			return at, nil
		}
		at = busy + 1
	}
	return -1, nil
}

// lastBusy is the last unit of the n from at that is not free, or -1.
func (a *Arena) lastBusy(at, n int) int {
	for u := min(at+n, a.top()) - 1; u >= at; u-- {
		if a.units[u].load().phase() != free {
			return u
		}
	}
	return -1
}

// raise lifts the high-water mark to n units, with memory for their headers. It
// comes before the claim, so that whoever scans for what the dead left sees it.
func (a *Arena) raise(n int) error {
	for {
		top := a.head.highWater.Load()
		if uint64(n) <= top {
			return nil
		}
		step()
		if err := sys.Reserve(a.seg.File(), headersOffset+int64(top)*headerSize, int64(n-int(top))*headerSize); err != nil {
			return err
		}
		step()
		if a.head.highWater.CompareAndSwap(top, uint64(n)) {
			return nil
		}
	}
}

// tryClaim claims the n units from at. On the way it may lose one to another
// process: then it lets go of all and returns that one, else -1.
func (a *Arena) tryClaim(at, n int) int {
	for u := at; u < at+n; u++ {
		h := &a.units[u]
		s := h.load()
		if s.phase() != free || !h.cas(s, s.next(a.self)) {
			a.unclaim(at, u)
			return u
		}
	}
	return -1
}

// unclaim frees the claimed units from at to before end.
func (a *Arena) unclaim(at, end int) {
	for u := at; u < end; u++ {
		h := &a.units[u]
		h.put(h.load().to(free, Nobody))
	}
}

// layRun reserves memory for a claimed run and writes its tails.
func (a *Arena) layRun(at, n int, bytes int64) error {
	if err := a.reserve(at, n, bytes); err != nil {
		return err
	}
	for u := at + 1; u < at+n; u++ {
		h := &a.units[u]
		h.put(makeState(tail, uint32(at), h.load().gen()))
	}
	return nil
}

// reserve makes the first bytes of n claimed units real memory, so that a lack of
// it is an error here and not a fault at use. After an error the units are free.
func (a *Arena) reserve(at, n int, bytes int64) error {
	step()
	if err := sys.Reserve(a.seg.File(), a.geo.unitOffset(at), roundUp(bytes, pageSize)); err != nil {
		a.discard(at, n)
		a.unclaim(at, at+n)
		return fmt.Errorf("shm: no memory for %d bytes: %w", bytes, err)
	}
	return nil
}

// checkMemoryFrom is the size from which the kernel is asked first what it has:
// it would rather kill somebody than refuse.
const checkMemoryFrom = 16 << 20

// checkMemory reports whether the machine lacks the memory for a large block.
func checkMemory(bytes int64) error {
	if bytes < checkMemoryFrom {
		return nil
	}
	if have, enough := sys.EnoughMemory(bytes); !enough {
		return fmt.Errorf("shm: %d bytes asked for, %d available on this machine: %w", bytes, have, syscall.ENOMEM)
	}
	return nil
}

// discard gives the pages of n units back; they read as zero afterwards. The
// kernel has no reason to refuse that for a memory file.
func (a *Arena) discard(at, n int) {
	step()
	_ = sys.Discard(a.seg.File(), a.geo.unitOffset(at), int64(n)*unitSize)
}

// unitsFor is how many units hold so many bytes.
func unitsFor(bytes int64) int { return int(roundUp(bytes, unitSize) / unitSize) }

// freeRun empties and frees a run whose head is this process's, claimed or doomed.
// Another process may have begun with that, and died.
func (a *Arena) freeRun(at int) {
	n := a.runExtent(at)
	a.discard(at, n)
	for u := at + n - 1; u >= at; u-- {
		h := &a.units[u]
		h.put(h.load().to(free, Nobody))
	}
	a.lowerNextUnit(at)
}

// runExtent is how many units are left of a run: its head and the tails behind it.
func (a *Arena) runExtent(at int) int {
	end := at + 1
	for top := a.top(); end < top && a.units[end].load().isTailOf(at); end++ {
	}
	return end - at
}

// runLength is how many units a live run has by its size, which is not trusted
// beyond the arena.
func (a *Arena) runLength(at int) int {
	n := a.units[at].size.Load()
	if n > uint64(a.geo.units-at)*unitSize {
		return a.geo.units - at
	}
	return max(1, unitsFor(int64(n)))
}

// lowerNextUnit lets the next search begin at a unit that has just become free.
func (a *Arena) lowerNextUnit(u int) {
	for {
		now := a.nextUnit.Load()
		if int64(u) >= now || a.nextUnit.CompareAndSwap(now, int64(u)) {
			return
		}
	}
}
