package ipc

import "sync/atomic"

// releaseIsCheaper: Go's atomic Store is a locked exchange here, which waits until
// all earlier stores have reached the cache.
const releaseIsCheaper = true

// storeRelease stores v such that whoever loads it sees what was stored before.
// Unlike atomic Store it may take effect after loads that follow it.
//
//go:noescape
func storeRelease(word *atomic.Uint64, v uint64)
