//go:build amd64 && !race

package ipc

import (
	"sync/atomic"
	"unsafe"
)

// releaseIsCheaper: Go's atomic Store is a locked exchange here, which waits until
// all earlier stores have reached the cache. A release only keeps their order.
const releaseIsCheaper = true

// storeRelease stores v such that whoever loads it sees what was stored before.
// Unlike atomic Store it may take effect after loads that follow it.
//
// It is not inlined, so that for the compiler anything may happen in it: all
// earlier stores are in memory by then, and it is done when it returns. The CPU
// keeps stores in their order (Intel SDM 3A 9.2.2, AMD64 APM 2 7.2), and one
// aligned word is stored at once. Under the race detector, which would not know of
// it, it is not used.
//
//go:noinline
func storeRelease(word *atomic.Uint64, v uint64) {
	// SAFETY: an atomic.Uint64 is one uint64, aligned to 8 bytes.
	*(*uint64)(unsafe.Pointer(word)) = v
}
