//go:build race

package race

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Enabled reports whether the race detector watches this program.
const Enabled = true

// An Edge stands for the shared words of one lock, queue or event, or of another
// object whose operations order goroutines. It must lie on the heap and must not
// be copied.
type Edge struct{ at uint64 }

// Release publishes everything the goroutine did before. It comes before the
// store to shared memory that lets others proceed.
func (e *Edge) Release() {
	// SAFETY: only the address counts; it is that of a variable, as it is below.
	runtime.RaceReleaseMerge(unsafe.Pointer(&e.at))
	Leave()
}

// Acquire observes everything published by Release so far. It comes after the
// atomic step in shared memory that let the goroutine proceed.
func (e *Edge) Acquire() {
	// SAFETY: see Release.
	runtime.RaceAcquire(unsafe.Pointer(&e.at))
	Return()
}

// outside stands for all that other processes may have seen of this one.
var outside uint64

var accompanied atomic.Bool

// NotAlone says that from now on there may be another process that shares memory
// with this one.
func NotAlone() { accompanied.Store(true) }

// Leave publishes everything the goroutine did before to other processes. It is
// for what has no Edge: before a process is started.
func Leave() {
	// SAFETY: see Edge.Release.
	runtime.RaceReleaseMerge(unsafe.Pointer(&outside))
}

// Return observes everything that other processes may have seen. It is for what
// has no Edge: after a process was seen to be gone.
func Return() {
	if accompanied.Load() {
		// SAFETY: see Edge.Release.
		runtime.RaceAcquire(unsafe.Pointer(&outside))
	}
}
