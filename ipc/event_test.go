package ipc

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func twoEvents(t testing.TB) (a, b *Event, w *world, s *EventState) {
	w, s = newWorld(t), new(EventState)
	s.word.Store(eventCount) // about to wrap
	return NewEvent(w.mate(), s), NewEvent(w.mate(), s), w, s
}

// _TestEvent.test_event
func TestEventIsSetAndCleared(t *testing.T) {
	a, b, _, _ := twoEvents(t)
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	require.False(t, a.IsSet())
	require.ErrorIs(t, a.Wait(ctx), context.DeadlineExceeded)
	require.NoError(t, b.Set())
	require.NoError(t, b.Set())
	require.True(t, a.IsSet())
	require.NoError(t, a.Wait(ctx), "set, though the context is done")
	require.Equal(t, "Event(set)", a.String())
	require.NoError(t, a.Clear())
	require.False(t, b.IsSet())
	require.Equal(t, "Event(unset)", b.String())
}

func TestEventSetReleasesAllAlsoIfClearedAtOnce(t *testing.T) {
	a, b, _, _ := twoEvents(t)
	for range 100 {
		var got []<-chan error
		for range 5 {
			got = append(got, start(func() error { return b.Wait(within(t)) }), start(func() error { return a.Wait(within(t)) }))
		}
		eventually(t, func() bool { return a.gate.waiting()+b.gate.waiting() == 10 })
		require.NoError(t, a.Set())
		require.NoError(t, a.Clear())
		for _, c := range got {
			require.NoError(t, ends(t, c))
		}
	}
}

func TestEventSurvivesALostWakeUp(t *testing.T) {
	_, b, w, s := twoEvents(t)
	victim := w.mate()
	got := start(func() error { return b.Wait(within(t)) })
	eventually(t, func() bool { return s.word.Load()&waiters != 0 })
	s.word.Store(eventSet) // Set, killed before the wake-up
	victim.die()
	require.NoError(t, ends(t, got))
}

func TestEventCloseReleasesItsWaiters(t *testing.T) {
	a, b, _, _ := twoEvents(t)
	got := start(func() error { return b.Wait(within(t)) })
	blocks(t, got)
	require.NoError(t, b.Close())
	require.ErrorIs(t, ends(t, got), ErrClosed)
	require.NoError(t, a.Set())
	require.ErrorIs(t, b.Set(), ErrClosed)
	require.ErrorIs(t, b.Clear(), ErrClosed)
	require.ErrorIs(t, b.Wait(within(t)), ErrClosed)
	require.False(t, b.IsSet())
}

func TestEventTenThousandGoroutinesHoldFewThreads(t *testing.T) {
	a, b, _, _ := twoEvents(t)
	fewThreads(t, b.gate, b.Wait, a.Set)
}
