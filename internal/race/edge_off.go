//go:build !race

package race

// Enabled reports whether the race detector watches this program.
const Enabled = false

// An Edge stands for the shared words of one lock, queue or event, or of another
// object whose operations order goroutines. It must lie on the heap and must not
// be copied.
type Edge struct{}

// Release publishes everything the goroutine did before. It comes before the
// store to shared memory that lets others proceed.
func (*Edge) Release() {}

// Acquire observes everything published by Release so far. It comes after the
// atomic step in shared memory that let the goroutine proceed.
func (*Edge) Acquire() {}

// NotAlone says that from now on there may be another process that shares memory
// with this one.
func NotAlone() {}

// Leave publishes everything the goroutine did before to other processes. It is
// for what has no Edge: before a process is started.
func Leave() {}

// Return observes everything that other processes may have seen. It is for what
// has no Edge: after a process was seen to be gone.
func Return() {}
