package mp

import (
	"errors"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// A handle is small to Go's garbage collector, and what it holds may be large. So
// the collector is called when much shared memory has come into this process
// since the last time, and when there is none left: handles that nobody uses any
// more then give back what they hold.

// pressureLimit is how many bytes may come before the collector is called.
const pressureLimit = 128 << 20

var pressure atomic.Int64

// press notes that a handle of n bytes came to be.
func press(n int) {
	if pressure.Add(int64(n)) >= pressureLimit {
		pressure.Store(0)
		go runtime.GC()
	}
}

// reclaimPatience bounds how long reclaim waits for the collector's cleanups.
const reclaimPatience = 100 * time.Millisecond

// reclaim lets handles that are out of use give back what they hold.
func reclaim() {
	type mark struct{ _ [64]byte }
	done := make(chan struct{})
	runtime.AddCleanup(new(mark), func(ch chan struct{}) { close(ch) }, done)
	runtime.GC()
	select {
	case <-done:
	case <-time.After(reclaimPatience):
	}
}

// full reports whether err says that there is no shared memory left.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.ENOMEM)
}
