//go:build !amd64 || race || asan || msan || explore

package ipc

import (
	"sync/atomic"

	"github.com/mpgo/mp/internal/shared"
)

// releaseIsCheaper: Go's atomic Store is no dearer than a release here.
const releaseIsCheaper = false

//go:nosplit
func storeRelease(word *shared.Uint64, v uint64) { word.Store(v) }

// storeLocal is an atomic Store.
func storeLocal(word *atomic.Uint64, v uint64) { word.Store(v) }
