package mp

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Arguments and results of which many travel as one piece of memory, and such as look so
// and do not.
type (
	padded struct {
		Small byte
		Large uint64
	}
	truthful struct {
		Yes bool
		N   int32
	}
	bulky [5000]byte  // two in a bundle
	huge  [20000]byte // none in a stream
)

var (
	mapPadded = Register("test.mapPadded", func(_ context.Context, p padded) (padded, error) {
		return padded{p.Small + 1, 2 * p.Large}, nil
	})
	mapTruthful = Register("test.mapTruthful", func(_ context.Context, t truthful) (truthful, error) {
		return truthful{!t.Yes, -t.N}, nil
	})
	mapNothing = Register("test.mapNothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
	mapBulky   = Register("test.mapBulky", func(_ context.Context, n int) (b bulky, err error) {
		b[0], b[len(b)-1] = byte(n), byte(n>>8)
		return b, nil
	})
	mapHuge = Register("test.mapHuge", func(_ context.Context, h huge) (huge, error) {
		h[1] = h[0]
		return h, nil
	})
	mapOfTexts = Register("test.mapOfTexts", func(_ context.Context, n int) (string, error) {
		return string(make([]byte, n%7)), nil
	})
	mapMixed = Register("test.mapMixed", func(_ context.Context, n int) (int, error) {
		switch {
		case n%100 == 7:
			panic("seven")
		case n%100 == 8:
			return 0, context.Canceled
		}
		return -n, nil
	})
)

// requireMapped holds what a map returns, in chunks of several sizes, against what f makes of
// each input here.
func requireMapped[In, Out any](t *testing.T, p *Pool, f *Func[In, Out], n int, input func(int) In) {
	t.Helper()
	in := make([]In, n)
	want := make([]Out, n)
	for i := range in {
		in[i] = input(i)
		want[i], _ = f.f(t.Context(), in[i])
	}
	for _, chunk := range []int{0, 1, 3, 64} {
		out, err := f.Map(t.Context(), p, in, WithChunk(chunk))
		require.NoError(t, err)
		require.Equal(t, want, out, "%s in chunks of %d", f.Name(), chunk)
	}
}

func TestMapOfPlainTypes(t *testing.T) {
	p := newPool(t, 2)
	requireMapped(t, p, mapPadded, 3000, func(i int) padded { return padded{byte(i), uint64(i)} })
	requireMapped(t, p, mapTruthful, 3000, func(i int) truthful { return truthful{i%3 == 0, int32(i)} })
	requireMapped(t, p, mapNothing, 3000, func(int) (none struct{}) { return none })
	requireMapped(t, p, mapBulky, 300, func(i int) int { return i })
	requireMapped(t, p, mapHuge, 50, func(i int) (h huge) { h[0] = byte(i); return h })
	requireMapped(t, p, mapOfTexts, 3000, func(i int) int { return i })
}

// A panic, and an error, cost their input, wherever in a chunk they come.
func TestMapOfPlainTypesWithErrors(t *testing.T) {
	p := newPool(t, 2)
	in := make([]int, 2000)
	for i := range in {
		in[i] = i
	}
	for _, chunk := range []int{0, 1, 5, 300} {
		out, err := mapMixed.Map(t.Context(), p, in, WithChunk(chunk), WithAllErrors())
		var panicked *PanicError
		require.ErrorAs(t, err, &panicked)
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), 2*len(in)/100)
		for i := range in {
			if !slices.Contains([]int{7, 8}, i%100) {
				require.Equal(t, -i, out[i])
			}
		}
	}
}
