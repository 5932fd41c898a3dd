package shm_test

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mpgo/mp/shm"
)

type pair struct {
	Small int32
	Large uint64
}

func TestAtSeesTheMemoryItself(t *testing.T) {
	b := make([]byte, 64)
	w := shm.At[atomic.Uint64](b, 8)
	w.Store(math.MaxUint64)
	require.Equal(t, byte(0xff), b[8])
	require.Equal(t, byte(0xff), b[15])
	require.Zero(t, b[7])
	require.Zero(t, b[16])

	b[8] = 0
	require.Equal(t, uint64(math.MaxUint64-0xff), w.Load())
}

func TestAtReachesTheVeryEnd(t *testing.T) {
	b := make([]byte, 64)
	shm.At[pair](b, 48).Large = 1
	require.Equal(t, byte(1), b[56])
}

func TestViewsOfNoBytesNeedNoMemory(t *testing.T) {
	require.NotNil(t, shm.At[struct{}](nil, 0))
	require.Len(t, shm.SliceAt[struct{}](nil, 0, 3), 3)
	require.Empty(t, shm.SliceAt[uint64](nil, 0, 0))
	require.Empty(t, shm.Raw[uint64](nil))
	require.Empty(t, shm.Raw(make([]struct{}, 4)))
}

func TestViewsOutsideTheMemoryPanic(t *testing.T) {
	b := make([]byte, 64)
	for name, f := range map[string]func(){
		"before":            func() { shm.At[uint64](b, -8) },
		"across the end":    func() { shm.At[uint64](b, 60) },
		"at the end":        func() { shm.At[byte](b, 64) },
		"largest offset":    func() { shm.At[uint64](b, math.MaxInt) },
		"larger than all":   func() { shm.At[[65]byte](b, 0) },
		"nothing there":     func() { shm.At[byte](nil, 0) },
		"slice before":      func() { shm.SliceAt[byte](b, -1, 1) },
		"slice negative":    func() { shm.SliceAt[byte](b, 0, -1) },
		"slice too long":    func() { shm.SliceAt[uint64](b, 8, 8) },
		"slice overflows":   func() { shm.SliceAt[uint64](b, 8, math.MaxInt/4) },
		"slice huge":        func() { shm.SliceAt[pair](b, 0, math.MaxInt) },
		"empty slice after": func() { shm.SliceAt[byte](b, 65, 0) },
		"put":               func() { shm.Put(b[:7], new(uint64)) },
		"get":               func() { shm.Get(b[:7], new(uint64)) },
	} {
		t.Run(name, func(t *testing.T) { require.Panics(t, f) })
	}
}

func TestUnalignedViewsPanic(t *testing.T) {
	b := make([]byte, 64)
	require.PanicsWithValue(t, "shm: offset 4 is not aligned to 8 bytes", func() { shm.At[uint64](b, 4) })
	require.PanicsWithValue(t, "shm: offset 2 is not aligned to 4 bytes", func() { shm.SliceAt[uint32](b, 2, 1) })
	require.NotPanics(t, func() { shm.At[uint32](b, 4) })
}

func TestSliceAtIsExactlyThatLong(t *testing.T) {
	b := make([]byte, 64)
	s := shm.SliceAt[uint32](b, 4, 3)
	require.Len(t, s, 3)
	require.Equal(t, 3, cap(s))
	s[2] = 7
	require.Equal(t, byte(7), b[12])
}

func TestPutThenGetAtAnyAlignment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := make([]byte, 64)
		off := rapid.IntRange(0, 64-16).Draw(t, "offset")
		in := pair{rapid.Int32().Draw(t, "small"), rapid.Uint64().Draw(t, "large")}
		shm.Put(b[off:], &in)
		var out pair
		shm.Get(b[off:], &out)
		if out != in {
			t.Fatalf("%+v came back as %+v", in, out)
		}
	})
}

func TestRawIsAView(t *testing.T) {
	s := []uint16{1, 2}
	b := shm.Raw(s)
	require.Len(t, b, 4)
	b[2] = 9
	require.Equal(t, []uint16{1, 9}, s)
}

func TestViewsDoNotAllocate(t *testing.T) {
	b := make([]byte, 64)
	var v pair
	require.Zero(t, testing.AllocsPerRun(100, func() {
		shm.At[pair](b, 0).Small++
		shm.SliceAt[uint32](b, 0, 4)[1]++
		shm.Put(b, &v)
		shm.Get(b, &v)
	}))
}
