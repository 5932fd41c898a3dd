package mp

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// heldBy is how many bytes this process's heap holds, garbage not counted.
func heldBy() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// mapsMuch maps a sequence of so many inputs to results of resultSize bytes each, and
// returns how much more memory than before was held at most: on the heap, and shared.
func mapsMuch(t *testing.T, p *Pool, window, inputs int) (heap, shared int) {
	t.Helper()
	taken, yielded := 0, 0
	in := func(yield func(int) bool) {
		for yield(resultSize) {
			if taken++; taken == inputs {
				return
			}
		}
	}
	heapBefore, sharedBefore := heldBy(), int(MemoryStats().Bytes)
	for b, err := range largeBytes.MapSeq(t.Context(), p, in, WithWindow(window)) {
		require.NoError(t, err)
		require.Len(t, b, resultSize)
		yielded++
		if yielded%(inputs/10) == 0 { // the workers fill the window meanwhile
			heap = max(heap, heldBy()-heapBefore)
			shared = max(shared, int(MemoryStats().Bytes)-sharedBefore)
		}
		require.LessOrEqual(t, taken-yielded, window)
	}
	require.Equal(t, inputs, yielded)
	return heap, shared
}

// resultSize is that of mapsMuch's results.
const resultSize = 8 << 10

// A map over a sequence holds what is in its window, however long the sequence is.
func TestAMapHoldsItsWindowAndNotItsSequence(t *testing.T) {
	p := newPool(t, 4, WithWarmStart())
	_, _ = mapsMuch(t, p, 64, 1000) // what is made once
	const besides = 1 << 20
	many := 10_000
	if brief() {
		many = 3_000
	}
	for _, window := range []int{64, 512} {
		for _, inputs := range []int{1_000, many} {
			heap, shared := mapsMuch(t, p, window, inputs)
			t.Logf("window %4d: %6d results of %d KiB: %5d KiB of heap, %5d KiB shared", window, inputs, resultSize>>10, heap>>10, shared>>10)
			require.LessOrEqual(t, heap, 2*window*resultSize+besides)
			require.LessOrEqual(t, shared, 2*window*resultSize+besides)
		}
	}
}

// The pages of the program's file are the same for all of its processes, and as many as
// the program is large: this one's are not counted.
func TestAnIdleWorkerHasLittleMemoryOfItsOwn(t *testing.T) {
	skipWithDetector(t)
	p := newPool(t, 2, WithWarmStart())
	_, err := square.Map(t.Context(), p, upTo(1000), WithChunk(1))
	require.NoError(t, err)
	for _, w := range ActiveChildren() {
		own := memoryOf(t, w.PID(), "RssAnon") + memoryOf(t, w.PID(), "RssShmem")
		t.Logf("worker %d: %d KiB, and %d KiB of files", w.PID(), own>>10, memoryOf(t, w.PID(), "RssFile")>>10)
		require.Less(t, own, 8<<20)
	}
}

// memoryOf is what /proc tells of a process's memory, in bytes.
func memoryOf(t *testing.T, pid int, what string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n"+what+":")
	require.True(t, found, what)
	var kB int
	_, err = fmt.Sscan(rest, &kB)
	require.NoError(t, err)
	return kB << 10
}
