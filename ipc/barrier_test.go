package ipc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func newBarrier(t testing.TB, parties int, action func() error) (w *world, s *BarrierState, view func() (*Barrier, *mate)) {
	w, s = newWorld(t), new(BarrierState)
	require.NoError(t, InitBarrier(s, parties))
	s.state.Store(uint64(1<<31-2) << barrierRound) // about to wrap
	return w, s, func() (*Barrier, *mate) {
		d := w.mate()
		return NewBarrier(d, s, action), d
	}
}

// waitFor starts a party.
func party(ctx context.Context, b *Barrier) <-chan error {
	return start(func() error { _, err := b.Wait(ctx); return err })
}

// _TestBarrier.test_barrier, test_barrier_10, test_wait_return, test_action
func TestBarrierMeets(t *testing.T) {
	const parties, rounds = 6, 200
	var actions int
	_, _, view := newBarrier(t, parties, func() error { actions++; return nil })
	var passed atomic.Int32
	var indices [parties]atomic.Int32
	var wg sync.WaitGroup
	ctx := within(t)
	for range parties / 2 {
		b, _ := view()
		for range 2 {
			wg.Go(func() {
				for r := range rounds {
					i, err := b.Wait(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					indices[i].Add(1)
					if n := int(passed.Add(1)); n <= r*parties-parties || actions < r+1 {
						t.Errorf("round %d: %d passed, %d actions", r, n, actions)
					}
				}
			})
		}
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.Equal(t, rounds, actions)
	for i := range indices {
		require.EqualValues(t, rounds, indices[i].Load())
	}
}

func TestBarrierRefusesBadCounts(t *testing.T) {
	require.ErrorIs(t, InitBarrier(new(BarrierState), 0), ErrTooFew)
	require.ErrorIs(t, InitBarrier(new(BarrierState), -1), ErrTooFew)
	require.ErrorIs(t, InitBarrier(new(BarrierState), MaxParties+1), ErrTooMany)
}

// _TestBarrier.test_single_thread
func TestBarrierOfOnePartyDoesNotWait(t *testing.T) {
	_, _, view := newBarrier(t, 1, nil)
	b, _ := view()
	for range 5 {
		i, err := b.Wait(within(t))
		require.NoError(t, err)
		require.Zero(t, i)
	}
}

// _TestBarrier.test_timeout, test_default_timeout
func TestBarrierIsBrokenByAPartyThatGivesUp(t *testing.T) {
	_, _, view := newBarrier(t, 3, nil)
	a, _ := view()
	b, _ := view()
	ctx, cancel := context.WithCancel(context.Background())
	one, two := party(within(t), a), party(ctx, b)
	eventually(t, func() bool { return a.Waiting() == 2 })
	require.Equal(t, "Barrier(parties=3, waiting=2)", a.String())
	cancel()
	require.ErrorIs(t, ends(t, two), context.Canceled)
	require.ErrorIs(t, ends(t, one), ErrBrokenBarrier)
	require.ErrorIs(t, ends(t, party(within(t), a)), ErrBrokenBarrier)
	require.True(t, b.Broken())
	require.Equal(t, "Barrier(broken, parties=3)", a.String())
	require.Zero(t, a.Waiting())
}

// _TestBarrier.test_abort, test_reset, test_abort_and_reset
func TestBarrierAbortAndReset(t *testing.T) {
	_, _, view := newBarrier(t, 2, nil)
	a, _ := view()
	b, _ := view()
	ctx := within(t)
	for _, end := range []func() error{a.Abort, b.Reset} {
		got := party(ctx, a)
		eventually(t, func() bool { return b.Waiting() == 1 })
		require.NoError(t, end())
		require.ErrorIs(t, ends(t, got), ErrBrokenBarrier)
		require.NoError(t, a.Reset())
		require.False(t, b.Broken())
		got = party(ctx, a)
		require.NoError(t, ends(t, party(ctx, b)))
		require.NoError(t, ends(t, got))
	}
}

// _TestBarrier.test_action with one that fails
func TestBarrierIsBrokenByItsAction(t *testing.T) {
	boom := errors.New("boom")
	for _, action := range []func() error{func() error { return boom }, func() error { panic(boom) }} {
		_, _, view := newBarrier(t, 2, action)
		a, _ := view()
		got := party(within(t), a)
		eventually(t, func() bool { return a.Waiting() == 1 })
		b, _ := view()
		func() {
			defer func() { _ = recover() }()
			_, err := b.Wait(within(t))
			require.ErrorIs(t, err, boom)
		}()
		require.ErrorIs(t, ends(t, got), ErrBrokenBarrier)
	}
}

func TestBarrierIsBrokenByADeath(t *testing.T) {
	w, s, view := newBarrier(t, 3, nil)
	a, _ := view()
	v, victim := view()
	got := party(within(t), a)
	eventually(t, func() bool { return a.Waiting() == 1 })
	done, r, err := v.tryArrive()
	require.True(t, done)
	require.NoError(t, err)
	require.Equal(t, 2, r.arrived())
	blocks(t, got)
	victim.die()
	require.ErrorIs(t, ends(t, got), ErrBrokenBarrier)
	require.NoError(t, a.Reset())

	// Of a former round: nothing breaks.
	var round []<-chan error
	l, late := view()
	for _, b := range []*Barrier{a, l, NewBarrier(w.mate(), s, nil)} {
		round = append(round, party(within(t), b))
	}
	for _, c := range round {
		require.NoError(t, ends(t, c))
	}
	got = party(within(t), a)
	eventually(t, func() bool { return a.Waiting() == 1 })
	late.die()
	blocks(t, got)
	require.NoError(t, a.Abort())
	require.ErrorIs(t, ends(t, got), ErrBrokenBarrier)
}

func TestBarrierLastPartyDiesInTheAction(t *testing.T) {
	_, _, view := newBarrier(t, 2, nil)
	a, _ := view()
	v, victim := view()
	got := party(within(t), a)
	eventually(t, func() bool { return a.Waiting() == 1 })
	_, r, err := v.tryArrive()
	require.NoError(t, err)
	require.Equal(t, 2, r.arrived())
	next := party(within(t), a) // comes while the action runs
	blocks(t, next)
	victim.die()
	require.ErrorIs(t, ends(t, got), ErrBrokenBarrier)
	require.ErrorIs(t, ends(t, next), ErrBrokenBarrier)
}

func TestBarrierCloseBreaksIt(t *testing.T) {
	_, _, view := newBarrier(t, 2, nil)
	a, _ := view()
	b, _ := view()
	got := party(within(t), a)
	eventually(t, func() bool { return a.Waiting() == 1 })
	require.NoError(t, a.Close())
	require.ErrorIs(t, ends(t, got), ErrClosed)
	require.True(t, b.Broken())
	require.ErrorIs(t, a.Abort(), ErrClosed)
	require.ErrorIs(t, a.Reset(), ErrClosed)
	require.ErrorIs(t, ends(t, party(within(t), a)), ErrClosed)
}

func TestRoundHistory(t *testing.T) {
	r := round(uint64(1<<31-3) << barrierRound)
	first := r
	var met []bool
	for i := range 40 {
		met = append(met, i%3 != 0)
		r = r.next(i%3 != 0) + 7 | barrierBroken
		require.Equal(t, 7, r.arrived())
		for back := 1; back <= min(i+1, historyBits); back++ {
			number := (first.number() + uint32(i+1-back)) & (1<<31 - 1)
			require.Equal(t, met[i+1-back], r.met(number), "%d back at %d", back, i)
		}
	}
}
