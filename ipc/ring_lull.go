package ipc

import (
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/spin"
)

// A lull is how long a side of a ring that caught up with the other one stays
// away before it looks again.
//
// Two sides that work at the same cell pass its lines to and fro several times
// for each message, and whoever looks all the time slows the other down: the
// faster of two streaming sides always ends there. After a lull it finds many
// cells to work on, and both run at full speed, far apart. (Measured with a
// prototype of the ring between two processes: 75 to 85 ns a message with pauses
// of less than a microsecond, 41 ns with one of some microseconds.)
//
// Where each message is answered by one in return a lull would only delay it. So
// it doubles if more than one position was passed since the last one, and is
// halved otherwise. In a ring it is halved as well if the last one was so long that more than
// half of the ring was found to be done after it: a little longer, and the other side would
// have had to wait in turn. What was passed since says nothing about that: two sides that are as
// fast as each other pass many rings full between two lulls. (Two processes, 64 bytes, in turns
// with a rule that took what was passed for what was found: from 24.9 to 26.7 M/s where the
// CPUs are near each other, from 14.5 to 16.9 where they are far; from 15.7 to 17.5 with room
// for 64 messages; from 69 to 75, and 33.8 to 34.9, in batches of 64.)
type lull struct {
	ns    atomic.Int64
	last  atomic.Uint64 // the position then
	found atomic.Uint64 // about how far the other side was ahead after it; 0 if there was none
}

// Where more than flowMany messages of a ring are passed from one lull to the next, so more than
// the batch that is answered by another, it may become as long as flowLull, and for who puts or
// gets batches as bulkLull: of them more are on their way at once, and none waits for a single
// message. (Two processes, messages of 64 bytes. One by one, in turns with maxLull: from 13.9 to
// 16.0 M/s where the CPUs are far from each other, from 25.0 to 25.8 where they are near. In
// batches of 64, in turns with flowLull: from 34.9 to 36.2 far, from 75.4 to 76.1 near.)
const (
	minLull = 64 * time.Nanosecond
	maxLull = 4 * time.Microsecond

	flowMany = 64
	flowLull = 8 * time.Microsecond
	bulkLull = 16 * time.Microsecond
)

// pass takes the lull that is due in a stream at pos, where a step is one message, and reports
// whether it took any.
func (l *lull) pass(pos, step uint64) bool {
	ns := lullAfter(l.ns.Load(), pos-l.last.Swap(pos), step, maxLull)
	l.ns.Store(ns)
	return l.rest(ns)
}

// passFull takes the lull, no longer than longest, that is due to a producer that found the ring
// full, and reports whether it took any.
func (l *lull) passFull(c *cells, longest time.Duration) bool {
	return l.passOne(c.tail.Load(), c.head, c.mask+1, c.mask+1, longest)
}

// passDrained is that of a consumer that found no message.
func (l *lull) passDrained(c *cells, longest time.Duration) bool {
	return l.passOne(c.head.Load(), c.tail, 0, c.mask+1, longest)
}

// passOne takes the lull that is due at pos, in a ring with so many positions to a lap, unless
// there was one already. The other side works towards other+ahead, a hint: what is found after
// the lull is not exact, and if hints are behind it is nonsense, which makes the next lull shorter.
func (l *lull) passOne(pos uint64, other *shared.Uint64, ahead, room uint64, longest time.Duration) bool {
	passed := pos - l.last.Swap(pos)
	if passed == 0 {
		return false
	}
	ns := lullInRing(l.ns.Load(), passed, l.found.Load(), room, longest)
	l.ns.Store(ns)
	rested := l.rest(ns)
	found := uint64(0)
	if rested {
		found = other.Load() + ahead - pos
	}
	l.found.Store(found)
	return rested
}

// lullInRing is how long a lull is after one of ns, if so much was found after that, and so
// much passed since.
func lullInRing(ns int64, passed, found, room uint64, longest time.Duration) int64 {
	switch {
	case found > room/2:
		return ns / 2
	case passed > flowMany:
		return lullAfter(ns, passed, 1, longest)
	}
	return lullAfter(ns, passed, 1, maxLull)
}

// lullAfter is how long a lull is after one of ns, if so much was passed since.
func lullAfter(ns int64, passed, step uint64, longest time.Duration) int64 {
	if passed <= step {
		return ns / 2
	}
	return min(max(2*ns, int64(minLull)), int64(longest))
}

// rest stays away for so long, and reports whether it did.
func (l *lull) rest(ns int64) bool {
	if ns < int64(minLull) || !spin.Worthwhile() {
		return false
	}
	begin := elapsed()
	for elapsed()-begin < time.Duration(ns) {
		spin.Pause(4)
	}
	return true
}

// A stream that gives streamFew messages or fewer to each look at it is not worth long
// lulls, and after a lull of longLull that brought no more there will be a shorter one.
const (
	streamFew = 16
	longLull  = time.Microsecond
)

// after is for a side that is at pos, and had been given so much when it looked last, where a
// step is one message. Of that little it looks again only after a lull, as it is about to
// catch up with the other side: it is that lull, if the flow is worth it.
func (l *lull) after(pos, found, step uint64) {
	if found >= streamFew*step {
		return
	}
	was, passed := l.ns.Load(), pos-l.last.Load()
	storeLocal(&l.last, pos)
	ns := was / 2
	if passed > step && (was < int64(longLull) || passed >= streamFew*step) {
		ns = min(max(2*was, int64(minLull)), int64(maxLull))
	}
	if ns != was {
		l.ns.Store(ns)
	}
	l.rest(ns)
}
