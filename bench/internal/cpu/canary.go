package cpu

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// word is alone in its pair of cache lines.
type word struct {
	_ [128]byte
	atomic.Uint64
	_ [120]byte
}

// A try is short, so that one of them is likely not to be interrupted.
const (
	tries       = 10
	canaryTrips = 2_000
)

// Latency is how long a word takes from one CPU to the other and back, the best of
// some tries. On virtual machines it changes by a multiple from one second to the
// next, with where the hypervisor has the two CPUs run, and most of what is
// measured between two processes changes with it.
//
// It leaves two threads of this process pinned, so that it is called in a process
// that does nothing else.
func Latency(a, b int) (time.Duration, error) {
	var there, back word
	echo := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := pinThread(b)
		echo <- err
		close(ready)
		for i := uint64(1); err == nil && i <= tries*canaryTrips; i++ {
			await(&there, i)
			back.Store(i)
		}
	}()
	<-ready
	if err := <-echo; err != nil {
		return 0, err
	}
	runtime.LockOSThread()
	if err := pinThread(a); err != nil {
		return 0, err
	}
	best := time.Hour
	for try := range uint64(tries) {
		begin := time.Now()
		for i := try*canaryTrips + 1; i <= (try+1)*canaryTrips; i++ {
			there.Store(i)
			await(&back, i)
		}
		best = min(best, time.Since(begin)/canaryTrips)
	}
	return best, nil
}

func await(w *word, value uint64) {
	for w.Load() != value {
	}
}

// pinThread has the calling thread run on one CPU.
func pinThread(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return unix.SchedSetaffinity(0, &set)
}
