package mp

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// largeSize is more than fits into a worker's stream, and than is allocated as a small block.
const largeSize = 3 << 20

var (
	largeBytes = Register("test.largeBytes", func(_ context.Context, n int) ([]byte, error) {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i)
		}
		return b, nil
	})
	largeFloats = Register("test.largeFloats", func(_ context.Context, n int) ([]float64, error) {
		return make([]float64, n), nil
	})
	largeText = Register("test.largeText", func(_ context.Context, n int) (string, error) {
		return string(make([]byte, n)), nil
	})
	largeArray = Register("test.largeArray", func(_ context.Context, n int) (*Array[float64], error) {
		a, err := NewArray[float64](n)
		if err == nil {
			a.Set(n-1, 1)
		}
		return a, err
	})
	collects = Register("test.collects", func(context.Context, struct{}) (struct{}, error) {
		runtime.GC()
		return struct{}{}, nil
	})
)

// Around the length up to which an answer lies in the stream, and far beyond it.
func TestLargeResultsComeWhole(t *testing.T) {
	p := newPool(t, 1)
	for _, n := range []int{inlineLimit - 3, inlineLimit - 2, inlineLimit - 1, inlineLimit, inlineLimit + 1, largeSize} {
		b, err := largeBytes.Call(t.Context(), p, n)
		require.NoError(t, err)
		require.Len(t, b, n)
		for i := range b {
			if b[i] != byte(i) {
				require.Equal(t, byte(i), b[i])
			}
		}
		s, err := largeText.Call(t.Context(), p, n)
		require.NoError(t, err)
		require.Len(t, s, n)
		f, err := largeFloats.Call(t.Context(), p, n/8)
		require.NoError(t, err)
		require.Len(t, f, n/8)
	}
	all, err := largeBytes.Map(t.Context(), p, []int{1, largeSize, inlineLimit, 0}, WithChunk(4))
	require.NoError(t, err)
	require.Len(t, all[1], largeSize)
	before := MemoryStats()
	_, err = largeBytes.Call(t.Context(), p, largeSize)
	require.NoError(t, err)
	require.Equal(t, before, MemoryStats(), "a slice is the caller's own: nothing shared is left of it")
}

// What is in shared memory from the beginning is handed over, not copied.
func TestALargeResultIsAnArrayThatGoesWhenItIsFreed(t *testing.T) {
	p := newPool(t, 1)
	_, err := largeArray.Call(t.Context(), p, 1)
	require.NoError(t, err)
	reclaim()
	before := MemoryStats().Bytes
	a, err := largeArray.Call(t.Context(), p, largeSize/8)
	require.NoError(t, err)
	require.Equal(t, 1.0, a.At(largeSize/8-1))
	require.Less(t, MemoryStats().Bytes-before, int64(largeSize*3/2), "it is there once")
	require.NoError(t, a.Free())
	// The worker's own handle is its garbage collector's.
	eventually(t, func() bool {
		_, err := collects.Call(t.Context(), p, struct{}{})
		require.NoError(t, err)
		return MemoryStats().Bytes <= before
	}, "it is gone")
}
