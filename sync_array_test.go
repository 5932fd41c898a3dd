package mp

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
)

const gib = 1 << 30

// sums is the sum of every so many elements.
var sums = Register("test.sums", func(_ context.Context, in sumsArg) (int64, error) {
	var sum int64
	all := in.Array.Slice()
	for i := in.Step - 1; i < len(all); i += in.Step {
		sum += all[i]
	}
	return sum, nil
})

type sumsArg struct {
	Array *Array[int64]
	Step  int
}

func TestAnArrayOfAGibibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a gibibyte of memory")
	}
	if have, known := sys.MemAvailable(); known && have < 3*gib {
		t.Skipf("it takes a gibibyte of memory, and of this machine's only %d bytes are available; 3 GiB must be", have)
	}
	requireEmpty(t)
	ctx := within(t)
	begun := time.Now()
	a, err := NewArray[int64](gib / 8)
	require.NoError(t, err)
	t.Logf("made in %v", time.Since(begun))
	require.Equal(t, gib/8, a.Len())
	require.GreaterOrEqual(t, MemoryStats().Bytes, int64(gib))

	const page = 4096 / 8
	begun = time.Now()
	for i, all := page-1, a.Slice(); i < len(all); i += page {
		all[i] = int64(i)
	}
	t.Logf("one word a page written in %v", time.Since(begun))
	pages := int64(gib / 4096)
	want := pages*(page-1) + page*pages*(pages-1)/2
	begun = time.Now()
	sum, err := sums.Run(ctx, sumsArg{a, page})
	require.NoError(t, err)
	require.Equal(t, want, sum, "another process reads what was written here")
	t.Logf("read by a new process in %v", time.Since(begun))
	require.NoError(t, a.Update(ctx, func(all []int64) { all[len(all)-1] = 7 }))
	require.Equal(t, int64(8), AddAt(a, gib/8-1, 1))
	require.NoError(t, a.Free())
	require.Zero(t, MemoryStats())

	again, err := NewArray[int64](gib / 8)
	require.NoError(t, err, "it came back")
	require.Zero(t, again.At(gib/8-1))
	require.NoError(t, again.Free())
}

// A chart is plain, and has everything that plain types may have.
type chart struct {
	Title  [24]byte
	Open   bool
	Points [3][2]struct {
		At      struct{ X, Y float64 }
		Weight  complex64
		Colours [5]uint8
	}
	Axis struct {
		From, To int32
		Ticks    [4]axisTick
	}
}

type axisTick struct {
	Level uint16
	Kind  int8
}

func newChart(n int) (c chart) {
	copy(c.Title[:], "a chart")
	c.Open = n%2 == 1
	for i := range c.Points {
		for j := range c.Points[i] {
			p := &c.Points[i][j]
			p.At.X, p.At.Y = float64(n+i), -float64(n+j)
			p.Weight = complex(float32(n), float32(i))
			p.Colours[4] = byte(n + j)
		}
	}
	c.Axis.From, c.Axis.To = int32(-n), int32(n)
	c.Axis.Ticks[3] = axisTick{uint16(n), int8(-n)}
	return c
}

// charts checks the charts it gets, and makes the next of each.
var charts = Register("test.charts", func(ctx context.Context, in chartsArg) (chart, error) {
	var t panicking
	require.Equal(t, newChart(1), in.Value.Load())
	require.NoError(t, in.Value.Update(ctx, func(c *chart) {
		require.Equal(t, newChart(1), *c)
		*c = newChart(2)
	}))
	for i := range in.Array.Len() {
		require.Equal(t, newChart(i), in.Array.At(i))
		in.Array.Set(i, newChart(i+1))
	}
	in.Matrix.Slice()[1][2] = 12
	return in.Value.Load(), nil
})

type chartsArg struct {
	Value  *Value[chart]
	Array  *Array[chart]
	Matrix *Array[[3]int16]
}

func TestNestedStructsAndArraysAreShared(t *testing.T) {
	requireEmpty(t)
	ctx := within(t)
	v, err := NewValue(newChart(1))
	require.NoError(t, err)
	a, err := NewArray[chart](7)
	require.NoError(t, err)
	m, err := NewArray[[3]int16](2)
	require.NoError(t, err)
	for i := range a.Len() {
		a.Set(i, newChart(i))
	}
	out, err := charts.Run(ctx, chartsArg{v, a, m})
	require.NoError(t, err)
	require.Equal(t, newChart(2), out)
	require.Equal(t, newChart(2), v.Load())
	for i := range a.Len() {
		require.Equal(t, newChart(i+1), a.At(i))
	}
	require.Equal(t, [][3]int16{{}, {0, 0, 12}}, m.Slice())

	ok, err := v.CompareAndSwap(newChart(1), newChart(3))
	require.NoError(t, err)
	require.False(t, ok)
	ok, err = v.CompareAndSwap(newChart(2), newChart(3))
	require.NoError(t, err)
	require.True(t, ok)
	old, err := v.Swap(newChart(4))
	require.NoError(t, err)
	require.Equal(t, newChart(3), old)
	giveBack(t, []freer{v, a, m})
	require.Zero(t, inUse())
}

func TestMemoryStatsCountWhatIsInUse(t *testing.T) {
	requireEmpty(t)
	require.Zero(t, MemoryStats())
	a, err := NewArray[byte](100_000)
	require.NoError(t, err)
	one := MemoryStats()
	require.Equal(t, 1, one.Blocks)
	require.GreaterOrEqual(t, one.Bytes, int64(100_000))
	require.Less(t, one.Bytes, int64(101_000))
	m, err := NewMutex()
	require.NoError(t, err)
	two := MemoryStats()
	require.Equal(t, 2, two.Blocks)
	require.Greater(t, two.Bytes, one.Bytes)
	require.LessOrEqual(t, two.Bytes, one.Bytes+128)
	require.NoError(t, m.Free())
	require.Equal(t, one, MemoryStats())

	n, err := statsOf.Run(within(t), a)
	require.NoError(t, err)
	require.Greater(t, n.Blocks, one.Blocks, "the process itself takes some")
	require.Equal(t, one, MemoryStats(), "and gives it back")
	require.NoError(t, a.Free())
	require.Zero(t, MemoryStats())
}

// statsOf is what another process of the tree counts.
var statsOf = Register("test.statsOf", func(context.Context, *Array[byte]) (MemoryUse, error) {
	return MemoryStats(), nil
})
