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
// halved otherwise.
type lull struct {
	ns   atomic.Int64
	last atomic.Uint64 // the position then
}

const (
	minLull = 64 * time.Nanosecond
	maxLull = 4 * time.Microsecond
)

// needless reports whether no lull would be due at pos, for one who will look on. It
// counts as a lull.
func (l *lull) needless(pos, step uint64) bool {
	if pos-l.last.Load() > step {
		return false
	}
	l.last.Store(pos)
	return true
}

// pass takes the lull that is due at pos, where a step is one message, and
// reports whether it took any.
func (l *lull) pass(pos, step uint64) bool {
	ns := l.ns.Load()
	if pos-l.last.Swap(pos) > step {
		ns = min(max(2*ns, int64(minLull)), int64(maxLull))
	} else {
		ns /= 2
	}
	l.ns.Store(ns)
	if ns < int64(minLull) || !spin.Worthwhile() {
		return false
	}
	begin := elapsed()
	for elapsed()-begin < time.Duration(ns) {
		spin.Pause(4)
	}
	return true
}
