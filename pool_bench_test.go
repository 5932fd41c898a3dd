package mp

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchPool has n workers, which have all done something.
func benchPool(b *testing.B, n int, opts ...PoolOption) *Pool {
	b.Helper()
	p, err := NewPool(b.Context(), n, opts...)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, p.Stop()) })
	_, err = square.Map(b.Context(), p, make([]int, 1000), WithChunk(1))
	require.NoError(b, err)
	return p
}

// Beside the mean stand the percentiles: who else uses the machine makes the mean.
func BenchmarkPoolCall(b *testing.B) {
	p := benchPool(b, 1)
	var took []float64
	for b.Loop() {
		begin := now()
		if _, err := square.Call(b.Context(), p, 3); err != nil {
			b.Fatal(err)
		}
		took = append(took, float64(now()-begin))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/10], "ns-p10")
	b.ReportMetric(took[len(took)/2], "ns-median")
	b.ReportMetric(took[len(took)*99/100], "ns-p99")
}

// A Go and a Get at a time.
func BenchmarkPoolGo(b *testing.B) {
	p := benchPool(b, 1)
	for b.Loop() {
		if _, err := square.Go(b.Context(), p, 3).Get(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkMap(b *testing.B, opts ...MapOption) {
	p := benchPool(b, 2)
	in := make([]int, max(b.N, 1))
	b.ResetTimer()
	if _, err := square.Map(b.Context(), p, in, opts...); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
}

func BenchmarkPoolMapOneAMessage(b *testing.B) { benchmarkMap(b, WithChunk(1)) }
func BenchmarkPoolMapChunked(b *testing.B)     { benchmarkMap(b) }

func BenchmarkPoolMapSeq(b *testing.B) {
	p := benchPool(b, 2)
	in := make([]int, b.N)
	b.ResetTimer()
	for _, err := range square.MapSeq(b.Context(), p, slices.Values(in)) {
		if err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
}

// What a bitmap costs to hand back, beyond what filling it costs: it is filled by the
// worker in both.
var bitmap = Register("bench.bitmap", func(_ context.Context, n int) (*Array[byte], error) {
	return NewArray[byte](n)
})

func BenchmarkPoolBitmap(b *testing.B) {
	p := benchPool(b, 1)
	for b.Loop() {
		a, err := bitmap.Call(b.Context(), p, 35<<20)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.Free(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		if _, err := square.Run(b.Context(), 3); err != nil {
			b.Fatal(err)
		}
	}
}
