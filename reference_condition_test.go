package mp

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// sleepers has so many goroutines of each actor and of this process wait, and
// returns when all do, and where the ends of this process's are.
func sleepers(t *testing.T, s *stage, actors []*actor, each int) <-chan error {
	t.Helper()
	ctx := within(t)
	mine := make(chan error, each)
	for range each {
		for _, a := range actors {
			a.tell("wait")
		}
		go func() { mine <- waitFor(ctx, s.Cond) }()
	}
	eventually(t, func() bool { return s.Cond.Waiting() == each*(len(actors)+1) }, "all of them wait")
	return mine
}

// woken waits until so many of all have gone on, and checks that no others have.
func woken(t *testing.T, s *stage, actors []*actor, mine <-chan error, n int) {
	t.Helper()
	eventually(t, func() bool {
		total := len(mine)
		for _, a := range actors {
			total += a.said.Len()
		}
		require.LessOrEqual(t, total, n)
		return total == n
	}, "so many have gone on")
}

func notify(t *testing.T, s *stage, n int) {
	t.Helper()
	require.NoError(t, s.Cond.Mutex().With(within(t), func() error { return s.Cond.Notify(n) }))
}

// _TestCondition.test_notify
func TestReferenceNotify(t *testing.T) {
	s := newStage(t)
	actors := []*actor{s.hire(t)}
	mine := sleepers(t, s, actors, 1)
	for n := range 2 {
		woken(t, s, actors, mine, n)
		notify(t, s, 1)
		require.Equal(t, 1-n, s.Cond.Waiting())
	}
	woken(t, s, actors, mine, 2)
}

// _TestCondition.test_notify_all: first all time out, then all are notified
func TestReferenceNotifyAll(t *testing.T) {
	s := newStage(t)
	actors := []*actor{s.hire(t), s.hire(t), s.hire(t)}
	for _, a := range actors {
		a.tell("wait briefly")
	}
	requireTimeout(t, func(ctx context.Context) error { return waitFor(ctx, s.Cond) })
	for _, a := range actors {
		a.hear("wait briefly", context.DeadlineExceeded)
	}
	require.Zero(t, s.Cond.Waiting())

	mine := sleepers(t, s, actors, 2)
	woken(t, s, actors, mine, 0)
	require.NoError(t, s.Cond.Mutex().With(within(t), s.Cond.NotifyAll))
	woken(t, s, actors, mine, 8)
	require.Zero(t, s.Cond.Waiting())
}

func init() {
	acts["wait briefly"] = func(ctx context.Context, p *player) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return waitFor(ctx, p.Cond)
	}
}

// _TestCondition.test_notify_n: 2, then 4 more, then there are none
func TestReferenceNotifyN(t *testing.T) {
	s := newStage(t)
	actors := []*actor{s.hire(t)}
	mine := sleepers(t, s, actors, 3)
	notify(t, s, 2)
	require.Equal(t, 4, s.Cond.Waiting())
	woken(t, s, actors, mine, 2)
	notify(t, s, 4)
	woken(t, s, actors, mine, 6)
	notify(t, s, 3)
	woken(t, s, actors, mine, 6)

	// What nobody waited for is not remembered.
	one := begin(func() error { return waitFor(within(t), s.Cond) })
	eventually(t, func() bool { return s.Cond.Waiting() == 1 }, "one who waits")
	require.Empty(t, one)
	notify(t, s, 1)
	require.NoError(t, <-one)
}

// _TestCondition.test_timeout
func TestReferenceConditionTimeout(t *testing.T) {
	s := newStage(t)
	m := s.Cond.Mutex()
	require.NoError(t, m.Lock(t.Context()))
	requireTimeout(t, s.Cond.Wait)
	require.True(t, m.Locked(), "it is held again")
	require.NoError(t, m.Unlock())
}

// _TestCondition.test_waitfor: a child waits until the state is 0, and this process
// until the child has raised it to 4
func TestReferenceWaitFor(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	require.NoError(t, s.Small.Store(-1))
	a := s.hire(t)
	a.tell("raise from 0 to 4")
	m := s.Cond.Mutex()
	require.NoError(t, m.Lock(ctx))
	require.NoError(t, s.Small.Store(0))
	require.NoError(t, s.Cond.Notify(1))
	require.NoError(t, s.Cond.WaitFor(ctx, func() bool { return s.Small.Load() == 4 }))
	require.NoError(t, m.Unlock())
	a.hear("raise from 0 to 4", nil)
}

func init() {
	acts["raise from 0 to 4"] = func(ctx context.Context, p *player) error {
		zero := func() bool { return p.Small.Load() == 0 }
		if err := p.Cond.Mutex().With(ctx, func() error { return p.Cond.WaitFor(ctx, zero) }); err != nil {
			return err
		}
		for range 4 {
			err := p.Cond.Mutex().With(ctx, func() error {
				if _, err := Add(p.Small, 1); err != nil {
					return err
				}
				return p.Cond.Notify(1)
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// _TestCondition.test_waitfor_timeout: the state never is what a child waits for
func TestReferenceWaitForTimeout(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	looked := 0
	require.NoError(t, s.Cond.Mutex().With(within(t), func() error {
		return s.Cond.WaitFor(within(t), func() bool {
			looked++
			if looked == 1 {
				a.tell("notify under lock")
			}
			return looked == 2 // at first, and after the notification
		})
	}))
	a.hear("notify under lock", nil)
	requireTimeout(t, func(ctx context.Context) error {
		return s.Cond.Mutex().With(ctx, func() error {
			return s.Cond.WaitFor(ctx, func() bool { return false })
		})
	})
	require.False(t, s.Cond.Mutex().Locked())

	// What holds already needs no wait, whatever the context.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.Cond.Mutex().Lock(t.Context()))
	require.NoError(t, s.Cond.WaitFor(ended, func() bool { return true }))
	require.ErrorIs(t, s.Cond.WaitFor(ended, func() bool { return false }), context.Canceled)
	require.NoError(t, s.Cond.Mutex().Unlock())
}

func init() {
	acts["notify under lock"] = func(ctx context.Context, p *player) error {
		return p.Cond.Mutex().With(ctx, func() error { return p.Cond.Notify(1) })
	}
}

// _TestCondition.test_wait_result: False after a timeout, True when notified, and
// what an interrupt is there is here the end of the context, with the lock held
func TestReferenceWaitResult(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	m := s.Cond.Mutex()
	ctx, interrupt := context.WithCancel(within(t))
	defer interrupt()
	require.NoError(t, m.Lock(ctx))
	requireTimeout(t, s.Cond.Wait)
	a.tell("notify under lock")
	require.NoError(t, s.Cond.Wait(ctx))
	a.hear("notify under lock", nil)

	waits := begin(func() error { return s.Cond.Wait(ctx) })
	eventually(t, func() bool { return s.Cond.Waiting() == 1 }, "one who waits")
	interrupt()
	require.ErrorIs(t, <-waits, context.Canceled)
	require.True(t, m.Locked())
	require.NoError(t, m.Unlock())
}

// TestSyncManagerTypes.test_condition: locked and unlocked by a child
func TestReferenceConditionOfAChild(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	a.does("lock cond")
	require.True(t, s.Cond.Mutex().Locked())
	a.does("unlock cond")
	require.False(t, s.Cond.Mutex().Locked())
}

// Condition's calls without the lock are errors: features H02 and H04
func TestReferenceConditionNeedsItsLock(t *testing.T) {
	s := newStage(t)
	ctx := t.Context()
	require.ErrorIs(t, s.Cond.Wait(ctx), ErrNotLocked)
	require.ErrorIs(t, s.Cond.WaitFor(ctx, func() bool { t.Error("asked"); return true }), ErrNotLocked)
	require.ErrorIs(t, s.Cond.Notify(1), ErrNotLocked)
	require.ErrorIs(t, s.Cond.NotifyAll(), ErrNotLocked)
}
