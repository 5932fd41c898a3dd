package mp

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A crossing is what the parties of a barrier's tests do, each in its process.
type crossing struct {
	Barrier *Barrier
	Rounds  int
	Arrived *Array[int64] // an element for each round: how many have come
	Indices *Array[int64] // an element for each index: how many have got it
	Acted   *Value[int64] // how often the action ran
}

const parties = 5

func newCrossing(t *testing.T, rounds int) crossing {
	t.Helper()
	requireEmpty(t)
	var errs [4]error
	c := crossing{Rounds: rounds}
	c.Barrier, errs[0] = NewBarrier(parties)
	c.Arrived, errs[1] = NewArray[int64](rounds)
	c.Indices, errs[2] = NewArray[int64](parties)
	c.Acted, errs[3] = NewValue[int64](0)
	require.NoError(t, errors.Join(errs[:]...))
	t.Cleanup(func() {
		giveBack(t, []freer{c.Barrier, c.Arrived, c.Indices, c.Acted})
		require.Zero(t, inUse())
	})
	return c
}

// cross waits at the barrier so often. After each wait all parties of that round
// have come, and none of the next but one.
func (c crossing) cross(ctx context.Context) error {
	if err := c.Barrier.SetAction(func() error { _, err := Add(c.Acted, 1); return err }); err != nil {
		return err
	}
	for round := range c.Rounds {
		AddAt(c.Arrived, round, 1)
		index, err := c.Barrier.Wait(ctx)
		if err != nil {
			return err
		}
		AddAt(c.Indices, index, 1)
		if err := equal(parties, int(AddAt(c.Arrived, round, 0))); err != nil {
			return err
		}
		if next := round + 2; next < c.Rounds {
			if err := equal(0, int(AddAt(c.Arrived, next, 0))); err != nil {
				return err
			}
		}
		if err := equal(round+1, int(c.Acted.Load())); err != nil {
			return err
		}
	}
	return nil
}

var crosses = Register("test.crosses", func(ctx context.Context, c crossing) (int, error) {
	return 0, c.cross(ctx)
})

// run has all parties cross, one of them here.
func (c crossing) run(t *testing.T) {
	t.Helper()
	ctx := within(t)
	var others []<-chan error
	for range parties - 1 {
		others = append(others, begin(func() error { _, err := crosses.Run(ctx, c); return err }))
	}
	require.NoError(t, c.cross(ctx))
	for _, other := range others {
		require.NoError(t, <-other)
	}
	require.Equal(t, int64(c.Rounds), c.Acted.Load(), "once a round")
	require.Equal(t, slices.Repeat([]int64{int64(c.Rounds)}, parties), c.Indices.Slice(), "each index once a round")
	require.Zero(t, c.Barrier.Waiting())
	require.False(t, c.Barrier.Broken())
}

// _TestBarrier.test_barrier, .test_wait_return and .test_action
func TestReferenceBarrier(t *testing.T) { newCrossing(t, 2).run(t) }

// _TestBarrier.test_barrier_10
func TestReferenceBarrierTenTimes(t *testing.T) { newCrossing(t, 10).run(t) }

// _TestBarrier.test_thousand
func TestReferenceBarrierAThousandTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("five processes meet a thousand times")
	}
	newCrossing(t, 1000).run(t)
}

// _TestBarrier.test_action: if it fails, its party has the error, and the others a
// broken barrier
func TestReferenceBarrierActionFails(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	failure := errors.New("the action fails")
	require.NoError(t, s.Barrier.SetAction(func() error { return failure }))
	a := s.hire(t)
	a.tell("meet")
	eventually(t, func() bool { return s.Barrier.Waiting() == 1 }, "a party")
	require.ErrorIs(t, meet(ctx, s), failure)
	a.hear("meet", ErrBrokenBarrier)
	require.True(t, s.Barrier.Broken())
	require.NoError(t, s.Barrier.SetAction(nil))
	require.NoError(t, s.Barrier.Reset())
	a.tell("meet")
	require.NoError(t, meet(ctx, s))
	a.hear("meet", nil)
}

// _TestBarrier.test_abort
func TestReferenceBarrierAbort(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	a, other := s.hire(t), s.hire(t)
	a.tell("meet")
	eventually(t, func() bool { return s.Barrier.Waiting() == 1 }, "a party")
	require.NoError(t, s.Barrier.Abort())
	a.hear("meet", ErrBrokenBarrier)
	require.True(t, s.Barrier.Broken())
	other.fails("meet", ErrBrokenBarrier)
	require.ErrorIs(t, meet(ctx, s), ErrBrokenBarrier)
	require.NoError(t, s.Barrier.Abort(), "again")
}

// _TestBarrier.test_reset
func TestReferenceBarrierReset(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	a := s.hire(t)
	for range 3 {
		a.tell("meet")
		eventually(t, func() bool { return s.Barrier.Waiting() == 1 }, "a party")
		require.NoError(t, s.Barrier.Reset())
		a.hear("meet", ErrBrokenBarrier)
		require.False(t, s.Barrier.Broken())
		a.tell("meet")
		require.NoError(t, meet(ctx, s))
		a.hear("meet", nil)
	}
}

// _TestBarrier.test_abort_and_reset
func TestReferenceBarrierAbortAndReset(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	a := s.hire(t)
	for range 3 {
		a.tell("meet")
		eventually(t, func() bool { return s.Barrier.Waiting() == 1 }, "a party")
		require.NoError(t, s.Barrier.Abort())
		a.hear("meet", ErrBrokenBarrier)
		a.fails("meet", ErrBrokenBarrier)
		require.NoError(t, s.Barrier.Reset())
		a.tell("meet")
		require.NoError(t, meet(ctx, s))
		a.hear("meet", nil)
	}
}

// _TestBarrier.test_timeout, and .test_default_timeout, which is a context's here
func TestReferenceBarrierTimeout(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	requireTimeout(t, func(ctx context.Context) error { return meet(ctx, s) })
	require.True(t, s.Barrier.Broken())
	a.fails("meet", ErrBrokenBarrier)
}

// _TestBarrier.test_single_thread
func TestReferenceBarrierOfOneParty(t *testing.T) {
	requireEmpty(t)
	b, err := NewBarrier(1)
	require.NoError(t, err)
	for range 3 {
		index, err := b.Wait(t.Context())
		require.NoError(t, err)
		require.Zero(t, index)
	}
	require.NoError(t, b.Free())
	require.Zero(t, inUse())
}

// TestSyncManagerTypes.test_barrier: its state is read, and reset, by a child
func TestReferenceBarrierOfAChild(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	require.Equal(t, 2, s.Barrier.Parties())
	require.NoError(t, s.Barrier.Abort())
	a.does("reset barrier of two")
	require.False(t, s.Barrier.Broken())
}

func init() {
	acts["reset barrier of two"] = func(_ context.Context, p *player) error {
		return then(equal(2, p.Barrier.Parties()), p.Barrier.Reset)
	}
}
