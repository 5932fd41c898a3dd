package ipc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// detaching begins to end a view, which somebody has entered: the view has come to its
// end, and Detach waits. It goes on when the view is left.
func detaching(t *testing.T, r *Ring) (left func()) {
	r.Enter()
	ended := start(func() any { r.Detach(); return nil })
	eventually(t, func() bool { return r.cells.Load() == detached })
	blocks(t, ended)
	return func() {
		r.Leave()
		ends(t, ended)
	}
}

func TestAViewThatEndsClaimsAndTakesNothing(t *testing.T) {
	onLendingRings(t, 2, 2, func(t *testing.T, rings []*Ring) {
		mustPut(t, rings[0], "a")
		left := detaching(t, rings[0])
		_, err := rings[0].TryClaim()
		require.ErrorIs(t, err, ErrClosed)
		_, err = rings[0].TryClaimBatch(make([]Claimed, 3))
		require.ErrorIs(t, err, ErrClosed)
		_, err = rings[0].TryTake()
		require.ErrorIs(t, err, ErrClosed)
		_, err = rings[0].TryTakeBatch(make([]Taken, 3))
		require.ErrorIs(t, err, ErrClosed)
		_, err = rings[0].TryReceive()
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, rings[0].Join(within(t)), ErrClosed)
		require.Zero(t, rings[0].Len())
		require.Equal(t, 1, rings[1].Len())
		left()
		require.Equal(t, "a", mustTake(t, rings[1]))
	})
}

// What is given back while the view ends wakes those of other processes who wait for it.
func TestAViewThatEndsWakesOthers(t *testing.T) {
	onLendingRings(t, 2, 2, func(t *testing.T, rings []*Ring) {
		mustPut(t, rings[0], "a")
		_, l := mustReceive(t, rings[0])
		asleep := start(func() any { b, err := rings[1].Get(within(t), nil); return [2]any{string(b), err} })
		blocks(t, asleep)
		left := detaching(t, rings[0])
		require.NoError(t, l.Nack(0))
		require.Equal(t, [2]any{"a", nil}, ends(t, asleep))
		left()
	})
	onLendingRings(t, 2, 2, func(t *testing.T, rings []*Ring) {
		mustPut(t, rings[1], "a")
		taken, err := rings[0].TryTake()
		require.NoError(t, err)
		joining := start(func() error { return rings[1].Join(within(t)) })
		blocks(t, joining)
		left := detaching(t, rings[0])
		taken.Release()
		require.NoError(t, ends(t, joining))
		left()
	})
}
