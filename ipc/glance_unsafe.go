package ipc

import (
	"context"
	"sync/atomic"
	"unsafe"
)

// A glance decides when those who can do without waiting look at their context first. To
// ask one that can be cancelled takes a quarter of the time that a short message takes. So
// who comes with another context than the one before looks at it, and who comes with the
// same again does so once in sixteen times on average, at positions that a hash chooses, so
// that none of several goroutines is always passed over. Who has to wait always looks.
//
// That is more than a select promises of a channel that is ready and ctx.Done(): it may
// choose either. Any number of goroutines may use a glance at a time.
type glance struct {
	last atomic.Uint64 // the identity of the context that was looked at last
}

// Positions are multiplied by the factor of Knuth's MMIX generator (The Art of Computer
// Programming 2, 3.3.4); the upper bits are the good ones, also of every second position, or
// every third.
const (
	glanceFactor = 6364136223846793005
	glanceShift  = 60 // four bits: one in sixteen
)

// dueAt reports whether to forget the context with the operation at a position.
func dueAt(pos uint64) bool { return pos*glanceFactor>>glanceShift == 0 }

// forget has the next one look.
func (g *glance) forget() { storeLocal(&g.last, 0) }

// look reports whether the context has not ended. One that has is not remembered, and so is
// looked at again.
func (g *glance) look(ctx context.Context) bool {
	which := identityOf(&ctx)
	if ctx.Err() != nil {
		which = 0
	}
	if which != g.last.Load() {
		g.last.Store(which)
	}
	return which != 0
}

// identityOf tells a context apart from others: by its type, and where it lies.
func identityOf(ctx *context.Context) uint64 {
	// SAFETY: an interface is two words, of which the second one is the address of what it
	// holds, or the word itself. They are compared, and never followed: if another context
	// comes to lie there later, it is looked at a little later as well.
	words := (*[2]uintptr)(unsafe.Pointer(ctx))
	return uint64(words[0] ^ words[1])
}
