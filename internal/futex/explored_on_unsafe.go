//go:build explore

package futex

import (
	"unsafe"

	"github.com/mpgo/mp/internal/explore"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
)

// explored and exploredWake are Wait and Wake for threads of the explorer, which do
// not enter the kernel.
func explored(ws []sys.Futex, deadline int64) bool {
	if deadline != 0 || !explore.Running() {
		return false
	}
	words := make([]uintptr, len(ws))
	for i, w := range ws {
		words[i] = address(w.Word)
	}
	return explore.Sleep(words, func() bool {
		for _, w := range ws {
			if w.Word.Load() != w.Val {
				return false
			}
		}
		return true
	})
}

func exploredWake(w *shared.Uint32, n int) (woken int, ok bool) {
	return explore.Wake(address(w), n)
}

func address(w *shared.Uint32) uintptr {
	// SAFETY: the address is only compared.
	return uintptr(unsafe.Pointer(w))
}
