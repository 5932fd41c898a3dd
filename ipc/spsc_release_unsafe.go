//go:build amd64 && !race && !asan && !msan && !explore

package ipc

import (
	"sync/atomic"
	"unsafe"

	"github.com/mpgo/mp/internal/shared"
)

// releaseIsCheaper: Go's atomic Store is a locked exchange here, which waits until
// all earlier stores have reached the cache. A release only keeps their order.
const releaseIsCheaper = true

// storeRelease stores v such that whoever loads it sees what was stored before.
// Unlike atomic Store it may take effect after loads that follow it.
//
// It is a plain store, which Go's memory model gives no order, so it must stand
// between two atomic operations: the compiler keeps memory operations in their
// order around those, and all others before the first (publish and Put have
// unfenced before it and the look at waiting after it). Push and Pull mostly have none
// between a record's bytes and its position: there it is enough that the compiler keeps stores in
// their order, and loads before stores that come later, as each store makes a new state of
// all memory out of the last one (cmd/compile/internal/ssa). The CPU keeps stores in
// their order (Intel SDM 3A 9.2.2, AMD64 APM 2 7.2), and one aligned word is stored
// at once. It is inlined because the return address of a call is a store as well;
// see Put. Under the race detector, which would not know of it, it is not used.
//
//go:nosplit
func storeRelease(word *shared.Uint64, v uint64) {
	// SAFETY: an atomic.Uint64 is one uint64, aligned to 8 bytes.
	*(*uint64)(unsafe.Pointer(word)) = v
}

// storeLocal stores v in a word of this process for which the order does not matter.
func storeLocal(word *atomic.Uint64, v uint64) {
	// SAFETY: as in storeRelease.
	*(*uint64)(unsafe.Pointer(word)) = v
}
