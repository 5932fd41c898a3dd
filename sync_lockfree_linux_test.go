package mp

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	acts["add slowly"] = func(ctx context.Context, p *player) error {
		runs := 0
		return p.Small.Update(ctx, func(n *int64) {
			if runs++; runs == 1 {
				p.stay("add slowly")
			}
			*n += 100
		})
	}
}

// Who adds to a word, or compares and swaps it, waits for nobody: not for one who is
// stopped, or was killed, in the middle of an Update. That one loses nothing.
func TestAddWaitsForNobody(t *testing.T) {
	for _, how := range []string{"goes on", "is killed"} {
		t.Run("the other one "+how, func(t *testing.T) {
			s := newStage(t)
			require.NoError(t, s.Small.Store(5))
			a := s.hire(t)
			a.enters("add slowly")
			a.stop()

			sum, err := Add(s.Small, 10)
			require.NoError(t, err)
			require.Equal(t, int64(15), sum)
			for _, c := range []struct {
				old, new int64
				want     bool
			}{{15, 16, true}, {15, 17, false}, {16, 20, true}} {
				ok, err := s.Small.CompareAndSwap(c.old, c.new)
				require.NoError(t, err)
				require.Equal(t, c.want, ok)
			}
			require.Equal(t, int64(20), s.Small.Load())
			require.Equal(t, int64(3), AddAt(s.Array, 3, 3))
			require.True(t, stopped(a.PID()), "it was all the time")

			if how == "is killed" {
				a.die()
				require.Equal(t, int64(20), s.Small.Load())
				require.NoError(t, s.Small.Update(within(t), func(n *int64) { *n++ }))
				require.Equal(t, int64(21), s.Small.Load())
				return
			}
			require.NoError(t, a.Signal(syscall.SIGCONT))
			a.leaves("add slowly")
			require.Equal(t, int64(120), s.Small.Load(), "its change was made of what is there by now")
		})
	}
}

// All types of integers have it.
func TestIntegersOfEverySizeAreAddedTo(t *testing.T) {
	addsTo[int8](t)
	addsTo[uint8](t)
	addsTo[int16](t)
	addsTo[uint16](t)
	addsTo[int32](t)
	addsTo[uint32](t)
	addsTo[int64](t)
	addsTo[uint64](t)
	addsTo[int](t)
	addsTo[uint](t)
}

func addsTo[T Integer](t *testing.T) {
	v, err := NewValue[T](100)
	require.NoError(t, err)
	for n := range 5 {
		sum, err := Add(v, T(n))
		require.NoError(t, err)
		require.Equal(t, v.Load(), sum)
	}
	sum, err := Add(v, ^T(0)) // minus one, signed or not
	require.NoError(t, err)
	require.Equal(t, T(109), sum)
	ok, err := v.CompareAndSwap(109, 1)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, T(1), v.Load())
	require.NoError(t, v.Free())
}
