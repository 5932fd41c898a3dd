package prefetch_test

import (
	"math"
	"testing"
	"unsafe"

	"github.com/mpgo/mp/internal/prefetch"
)

func TestFetchingTakesAnyAddressAndChangesNothing(t *testing.T) {
	memory := []byte{1, 2, 3}
	for _, n := range []int{math.MinInt, -1, 0, 1, 3} {
		for _, every := range []uintptr{0, 64, math.MaxUint32} {
			// SAFETY: nothing is read or written.
			prefetch.ForWriting(unsafe.Pointer(&memory[0]), n, every)
			prefetch.ForReading(unsafe.Pointer(&memory[0]), n, every)
			prefetch.ForWriting(nil, n, every)
			prefetch.ForReading(nil, n, every)
		}
	}
	if string(memory) != "\x01\x02\x03" {
		t.Error(memory)
	}
}
