//go:build race

package race

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// A Shadow stands for the elements of one array, however many, and exactly: an
// access to one element says nothing about its neighbours. It must lie on the heap
// and must not be copied once used. A zero Shadow stands for nothing.
//
// An element has a word of its own, in a page that is made when one of its
// elements is first used. That orders nothing: the goroutine that makes a page is
// not said to have synchronized with those that find it. A word is as small as the
// detector's atomic operations can be, which mark it whole.
//
// Who uses all elements in ways that cannot be seen marks one more word, which
// every other access reads.
type Shadow struct {
	whole uint64
	pages []atomic.Pointer[page]
}

const pageLen = 1 << 14

type page [pageLen]atomic.Uint32

// NewShadow stands for n elements of size bytes. Elements without size are never
// accessed.
func NewShadow(n, size int) Shadow {
	if size == 0 {
		return Shadow{}
	}
	return Shadow{pages: make([]atomic.Pointer[page], (n+pageLen-1)/pageLen)}
}

// Read says that the goroutine reads element i.
func (s *Shadow) Read(i int) {
	w := s.word(i)
	// SAFETY: only the addresses count; they are of variables, or nil.
	runtime.RaceRead(unsafe.Pointer(w))
	runtime.RaceRead(unsafe.Pointer(&s.whole))
}

// Write says that the goroutine writes element i.
func (s *Shadow) Write(i int) {
	w := s.word(i)
	// SAFETY: see Read.
	runtime.RaceWrite(unsafe.Pointer(w))
	runtime.RaceRead(unsafe.Pointer(&s.whole))
}

// WriteAll says that the goroutine reads and writes elements, nobody knows which.
func (s *Shadow) WriteAll() {
	// SAFETY: see Read.
	runtime.RaceWrite(unsafe.Pointer(&s.whole))
}

// BeginAtomic and EndAtomic enclose an atomic operation on element i. It conflicts
// with Read and Write, but not with another of its kind: that it is ordered with,
// as by sync/atomic.
func (s *Shadow) BeginAtomic(i int) {
	Leave()
	s.word(i).Add(0)
	// SAFETY: see Read.
	runtime.RaceRead(unsafe.Pointer(&s.whole))
}

// EndAtomic comes after the operation that BeginAtomic announced.
func (s *Shadow) EndAtomic(i int) {
	s.word(i).Load()
	Return()
}

// word is the word of element i.
func (s *Shadow) word(i int) *atomic.Uint32 {
	if len(s.pages) == 0 {
		return nil
	}
	runtime.RaceDisable() // the atomic operations here order nothing
	at := &s.pages[i/pageLen]
	p := at.Load()
	if p == nil {
		at.CompareAndSwap(nil, new(page))
		p = at.Load()
	}
	runtime.RaceEnable()
	return &p[i%pageLen]
}
