package storm

import (
	"math"
	"time"

	"github.com/mpgo/mp"
)

// What is timed: from the kill, or from when somebody began to wait for what the dead
// had, if that is later, until somebody goes on.
const (
	clockMutex = iota
	clockRWMutex
	clockRLock
	clockArray
	clockLease
	clockPeer
	clockPool
	clockDone
)

var clockNames = [...]string{
	clockMutex:   "Mutex.Lock: ErrOwnerDied",
	clockRWMutex: "RWMutex.Lock, RLock: ErrOwnerDied",
	clockRLock:   "Holder.Lock: ErrOwnerDied",
	clockArray:   "Array.Update: ErrOwnerDied",
	clockLease:   "Queue.Receive: delivered again",
	clockPeer:    "Conn.Recv: ErrPeerDied",
	clockPool:    "Pool call: WorkerDiedError",
	clockDone:    "Process.Done: dead and buried",
}

// Times are counted in buckets, of which each is about nine per cent wider than the one
// before: so nothing has to be kept, and any process can count. The first is for a
// microsecond and less, the last for half a minute and more.
const (
	bucketsPerOctave = 8
	buckets          = 25 * bucketsPerOctave
)

func bucket(d time.Duration) int {
	if d <= time.Microsecond {
		return 0
	}
	n := int(math.Ceil(math.Log2(float64(d)/float64(time.Microsecond)) * bucketsPerOctave))
	return min(n, buckets-1)
}

// bound is the longest time that is counted in a bucket.
func bound(bucket int) time.Duration {
	return time.Duration(math.Exp2(float64(bucket)/bucketsPerOctave) * float64(time.Microsecond))
}

// recovered counts the time since a life was ended, or since began if that is later.
// It counts nothing if that life was not ended: then there was nothing to wait for.
func (l Logs) recovered(clock int, life int64, began, now time.Time) {
	killed, ok := l.killed(life)
	if !ok || killed.After(now) {
		return
	}
	if began.After(killed) {
		killed = began
	}
	l.took(clock, now.Sub(killed))
}

func (l Logs) took(clock int, d time.Duration) {
	mp.AddAt(l.Times, clock*buckets+bucket(d), 1)
}

// recovery is what a clock has counted so far.
func (l Logs) recovery(clock int) Recovery {
	var counts [buckets]int64
	r := Recovery{Name: clockNames[clock]}
	for i := range counts {
		counts[i] = load(l.Times, clock*buckets+i)
		r.Count += counts[i]
	}
	r.Median, r.P90, r.P99, r.Max = quantile(counts[:], .5), quantile(counts[:], .9), quantile(counts[:], .99), quantile(counts[:], 1)
	return r
}

// quantile is the bound of the bucket in which that part of the counts is complete.
func quantile(counts []int64, part float64) time.Duration {
	var all, sum int64
	for _, n := range counts {
		all += n
	}
	if all == 0 {
		return 0
	}
	need := max(1, int64(math.Ceil(part*float64(all))))
	for i, n := range counts {
		if sum += n; sum >= need {
			return bound(i)
		}
	}
	return bound(len(counts) - 1)
}
