package goroutine

import (
	"unsafe"

	"github.com/mpgo/mp/internal/noescape"
)

// A Place is where a function's frame lies on its goroutine's stack. It is good as long as
// that function runs, and it moves with the stack.
//
// What it is for: to know one's own goroutine again without a call. Go's stacks are made of
// blocks of 2 KiB and multiples, at multiples of that (runtime/stack.go: stackMin, and
// stackalloc), so at any time a block belongs to one goroutine; it may come to belong to
// another one after that has ended, or its stack has moved. A stack moves where a
// function begins that has to make room (but for those that are go:nosplit), and where
// the garbage collector finds the goroutine stopped there; not where a goroutine is
// preempted in the middle of a function (isShrinkStackSafe). So one that has seen
// that its Place is in a block has that block to itself until it next calls a function
// that is not go:nosplit.
type Place struct{ variable *byte }

// stackBlock is the binary logarithm of the size of the smallest stack.
const stackBlock = 11

// At is the Place of a variable on the stack. It is for those who are called while the function
// runs to which the variable belongs.
func At(variable *byte) Place { return Place{variable} }

// Hidden is p for functions that are called through a variable: what is there does not
// escape by it; see noescape.
func (p Place) Hidden() Place {
	// SAFETY: the pointer is passed down the stack only, and not kept.
	return Place{(*byte)(noescape.Pointer(unsafe.Pointer(p.variable)))}
}

// Block is the number of the block of stack that the Place is in now. It is not 0, unless the
// Place is none.
//
//go:nosplit
func (p Place) Block() uintptr { return BlockOf(p.variable) }

// BlockOf is that of a variable on the stack.
//
//go:nosplit
func BlockOf(variable *byte) uintptr {
	// SAFETY: the number is compared only.
	return uintptr(unsafe.Pointer(variable)) >> stackBlock
}
