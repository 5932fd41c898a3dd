package mp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// _TestEvent.test_event
func TestReferenceEvent(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	require.False(t, s.Event.IsSet())
	requireTimeout(t, s.Event.Wait)
	require.NoError(t, s.Event.Set())
	require.True(t, s.Event.IsSet())
	require.NoError(t, s.Event.Wait(ctx))
	require.NoError(t, s.Event.Wait(ctx), "it stays so")
	require.NoError(t, s.Event.Clear())
	require.False(t, s.Event.IsSet())

	a := s.hire(t)
	waits := begin(func() error { return s.Event.Wait(ctx) })
	a.does("set")
	require.NoError(t, <-waits)
	require.True(t, s.Event.IsSet())
}

// _TestEvent.test_repr, of 3.13
func TestReferenceEventTellsItsState(t *testing.T) {
	s := newStage(t)
	require.Equal(t, "Event(unset)", s.Event.String())
	require.NoError(t, s.Event.Set())
	require.Equal(t, "Event(set)", s.Event.String())
}

// TestSyncManagerTypes.test_event: set and cleared by a child
func TestReferenceEventOfAChild(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	a.does("set")
	require.True(t, s.Event.IsSet())
	a.does("await")
	a.does("clear")
	require.False(t, s.Event.IsSet())
}

// A Set that is followed by a Clear at once releases all who were waiting: there,
// it may not (feature I02)
func TestReferenceEventSetAndCleared(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	actors := []*actor{s.hire(t), s.hire(t)}
	var mine []<-chan error
	for range 3 {
		mine = append(mine, begin(func() error { return s.Event.Wait(ctx) }))
	}
	for _, a := range actors {
		a.tell("await")
	}
	// Who has not begun to wait yet is released by a later Set.
	for left := len(mine) + len(actors); left > 0; {
		require.NoError(t, s.Event.Set())
		require.NoError(t, s.Event.Clear())
		for i, end := range mine {
			if len(end) > 0 {
				require.NoError(t, <-end)
				mine[i] = nil
				left--
			}
		}
		for _, a := range actors {
			for a.said.Len() > 0 {
				a.hear("await", nil)
				left--
			}
		}
	}
	require.False(t, s.Event.IsSet())
}
