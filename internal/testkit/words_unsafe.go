package testkit

import (
	"os"
	"testing"
	"unsafe"

	"github.com/edsrzf/mmap-go"

	"github.com/mpgo/mp/internal/shared"
)

// MapWords maps a file as words that all processes that do so share. Whoever maps
// them in a test gets them unmapped at its end; a script passes nil.
func MapWords(t testing.TB, f *os.File) []shared.Uint32 {
	mem, err := mmap.Map(f, mmap.RDWR, 0)
	if err != nil {
		panic(err)
	}
	if t != nil {
		t.Cleanup(func() { _ = mem.Unmap() })
	}
	// SAFETY: the mapping begins at a page, so that words are aligned, and has room
	// for len/4 of them; it is unmapped after the test.
	return unsafe.Slice((*shared.Uint32)(unsafe.Pointer(&mem[0])), len(mem)/4)
}
