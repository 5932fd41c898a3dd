package ipc

import (
	"sync/atomic"
	"time"

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
// halved otherwise. It is halved as well if that was more than half of what there is
// room for: the other side would be done before it ends, and wait in turn.
type lull struct {
	ns   atomic.Int64
	last atomic.Uint64 // the position then
}

// Where more than flowMany messages of a ring are passed from one lull to the next, so more than
// the batch that is answered by another, it may become as long as flowLull. (Two processes,
// messages of 64 bytes one by one, in turns with and without that: from 13.9 to 16.0 M/s where
// the CPUs are far from each other, 25.0 and 25.8 where they are near. With 16 µs batches of 64
// become slower, from 59 to 54. That a lull is halved as the ring is small made 18 of 15 M/s in
// one with room for 64.)
const (
	minLull = 64 * time.Nanosecond
	maxLull = 4 * time.Microsecond

	flowMany = 64
	flowLull = 8 * time.Microsecond
)

// pass takes the lull that is due at pos, where a step is one message, and
// reports whether it took any. In a ring there is room for so many messages; else room is 0.
func (l *lull) pass(pos, step, room uint64) bool {
	passed := pos - l.last.Swap(pos)
	if room != 0 && passed == 0 {
		return false // there was one here already, which a batch took
	}
	ns := lullAfter(l.ns.Load(), passed, step, room)
	l.ns.Store(ns)
	return l.rest(ns)
}

// lullAfter is how long a lull is after one of ns, if so much was passed since.
func lullAfter(ns int64, passed, step, room uint64) int64 {
	longest := maxLull
	switch {
	case passed <= step, room != 0 && passed > room/2:
		return ns / 2
	case room != 0 && passed > flowMany:
		longest = flowLull
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
