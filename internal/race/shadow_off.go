//go:build !race

package race

// A Shadow stands for the elements of one array, however many, and exactly: an
// access to one element says nothing about its neighbours. It must lie on the heap
// and must not be copied once used. A zero Shadow stands for nothing.
type Shadow struct{}

// NewShadow stands for n elements of size bytes. Elements without size are never
// accessed.
func NewShadow(n, size int) Shadow { return Shadow{} }

// Read says that the goroutine reads element i.
func (*Shadow) Read(i int) {}

// Write says that the goroutine writes element i.
func (*Shadow) Write(i int) {}

// WriteAll says that the goroutine reads and writes elements, nobody knows which.
func (*Shadow) WriteAll() {}

// BeginAtomic and EndAtomic enclose an atomic operation on element i. It conflicts
// with Read and Write, but not with another of its kind: that it is ordered with,
// as by sync/atomic.
func (*Shadow) BeginAtomic(i int) {}

// EndAtomic comes after the operation that BeginAtomic announced.
func (*Shadow) EndAtomic(i int) {}
