//go:build !amd64 || race

package ipc

import "sync/atomic"

// releaseIsCheaper: Go's atomic Store is no dearer than a release here.
const releaseIsCheaper = false

func storeRelease(word *atomic.Uint64, v uint64) { word.Store(v) }
