package ipc

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// A desk is a condition and its lock.
type desk struct {
	w    *world
	lock MutexState
	cond CondState
}

func newDesk(t testing.TB) *desk { return &desk{w: newWorld(t)} }

func (k *desk) view() (*Cond, *mate) {
	d := k.w.mate()
	return NewCond(d, &k.cond, NewMutex(d, &k.lock)), d
}

// waitOnce locks, waits, unlocks.
func waitOnce(ctx context.Context, c *Cond) error {
	if err := c.Mutex().Lock(ctx); err != nil {
		return err
	}
	err := c.Wait(ctx)
	if e := c.Mutex().Unlock(); err == nil {
		err = e
	}
	return err
}

func notify(t testing.TB, c *Cond, n int) {
	t.Helper()
	require.NoError(t, c.Mutex().With(within(t), func() error { return c.Notify(n) }))
}

// _TestCondition.test_notify, test_notify_n
func TestCondNotifiesExactlyAsManyAsAsked(t *testing.T) {
	k := newDesk(t)
	a, _ := k.view()
	b, _ := k.view()
	ctx := within(t)
	notify(t, a, 5) // nobody waits: it is not remembered
	var woken atomic.Int32
	var wg sync.WaitGroup
	for range 5 {
		for _, c := range []*Cond{a, b} {
			wg.Go(func() {
				if err := waitOnce(ctx, c); err != nil {
					t.Error(err)
				}
				woken.Add(1)
			})
		}
	}
	eventually(t, func() bool { return a.Waiting() == 10 })
	for _, n := range []int{1, 2, 3} {
		before := woken.Load()
		notify(t, a, n)
		eventually(t, func() bool { return woken.Load() == before+int32(n) })
		require.Equal(t, 10-int(before)-n, b.Waiting())
	}
	require.NoError(t, a.Mutex().With(ctx, a.NotifyAll))
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.Zero(t, a.Waiting())
}

func TestCondNeedsItsLock(t *testing.T) {
	k := newDesk(t)
	a, _ := k.view()
	b, _ := k.view()
	ctx := within(t)
	never := func() bool { return false }
	require.ErrorIs(t, a.Wait(ctx), ErrNotLocked)
	require.ErrorIs(t, a.Notify(1), ErrNotLocked)
	require.ErrorIs(t, a.WaitFor(ctx, never), ErrNotLocked)
	require.NoError(t, a.Mutex().Lock(ctx))
	require.ErrorIs(t, b.Wait(ctx), ErrNotOwner)
	require.ErrorIs(t, b.NotifyAll(), ErrNotOwner)
	require.ErrorIs(t, a.Notify(0), ErrTooFew)
	require.Equal(t, "Cond(Mutex(owner=self), waiting=0)", a.String())
}

// _TestCondition.test_timeout, test_waitfor_timeout
func TestCondWaitEndsWithItsContextAndTheLock(t *testing.T) {
	k := newDesk(t)
	a, d := k.view()
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	require.NoError(t, a.Mutex().Lock(within(t)))
	require.ErrorIs(t, a.Wait(ctx), context.DeadlineExceeded)
	require.Equal(t, d.Self(), a.Mutex().Owner())
	require.ErrorIs(t, a.WaitFor(ctx, func() bool { return false }), context.DeadlineExceeded)
	require.NoError(t, a.WaitFor(ctx, func() bool { return true }))
	require.NoError(t, a.Mutex().Unlock())
	require.Zero(t, a.Waiting())
}

// _TestCondition.test_waitfor
func TestCondWaitForLooksAgain(t *testing.T) {
	k := newDesk(t)
	a, _ := k.view()
	b, _ := k.view()
	ctx, state := within(t), 0
	got := start(func() error {
		return b.Mutex().With(ctx, func() error { return b.WaitFor(ctx, func() bool { return state == 4 }) })
	})
	for range 4 {
		eventually(t, func() bool { return a.Waiting() == 1 })
		require.NoError(t, a.Mutex().With(ctx, func() error {
			state++
			return a.Notify(1)
		}))
	}
	require.NoError(t, ends(t, got))
}

// A dead waiter is passed over, and one that dies with a grant leaves it to
// another.
func TestCondNotificationsAreNotLostWithTheDead(t *testing.T) {
	k := newDesk(t)
	a, _ := k.view()
	b, _ := k.view()
	v, victim := k.view()
	enlisted := func() {
		require.NoError(t, v.Mutex().Lock(within(t)))
		require.NoError(t, v.enlist(&condWaiter{wake: func() {}}))
		require.NoError(t, v.Mutex().Unlock())
	}
	enlisted() // waits, and is killed
	victim.die()
	got := start(func() error { return waitOnce(within(t), b) })
	eventually(t, func() bool { return a.Waiting() == 1 })
	notify(t, a, 1)
	require.NoError(t, ends(t, got))

	v, victim = k.view()
	enlisted()
	notify(t, a, 1) // goes to the victim
	got = start(func() error { return waitOnce(within(t), b) })
	blocks(t, got)
	victim.die()
	require.NoError(t, ends(t, got))
	require.Zero(t, a.Waiting())
}

func TestCondTheSlotsNextProcessPassesOnGrants(t *testing.T) {
	k := newDesk(t)
	a, _ := k.view()
	b, _ := k.view()
	v, victim := k.view()
	require.NoError(t, v.enlist(&condWaiter{wake: func() {}}))
	notify(t, a, 1)
	got := start(func() error { return waitOnce(within(t), b) })
	eventually(t, func() bool { return a.Waiting() == 1 })
	victim.dead.Store(victim.self, true) // nobody is told yet
	heir := &mate{k.w, victim.self + shm.MaxProcesses}
	next := NewCond(heir, &k.cond, NewMutex(heir, &k.lock))
	require.NoError(t, next.Mutex().Lock(within(t)))
	require.NoError(t, next.enlist(&condWaiter{wake: func() {}}))
	require.NoError(t, next.Mutex().Unlock())
	require.Equal(t, 1, next.Waiting()+int(next.state.waiting.value(heir.self)>>16))
	if next.state.waiting.value(heir.self)>>16 == 0 {
		require.NoError(t, ends(t, got))
	}
}

func TestCondCloseReleasesItsWaiters(t *testing.T) {
	k := newDesk(t)
	a, _ := k.view()
	got := start(func() error { return waitOnce(within(t), a) })
	eventually(t, func() bool { return a.Waiting() == 1 })
	require.NoError(t, a.Close())
	require.ErrorIs(t, ends(t, got), ErrClosed)
	require.False(t, a.Mutex().Locked())
	require.ErrorIs(t, a.Wait(within(t)), ErrClosed)
	require.Zero(t, a.Waiting())
}

// It does not take the lock again, which would be a dead owner's when that is closed, too.
func TestCondCloseDoesNotTakeTheLock(t *testing.T) {
	k := newDesk(t)
	a, _ := k.view()
	b, _ := k.view()
	got := start(func() error { return waitOnce(within(t), a) })
	eventually(t, func() bool { return a.Waiting() == 1 && !b.Mutex().Locked() })
	require.NoError(t, b.Mutex().Lock(within(t)))
	require.NoError(t, a.Close())
	require.ErrorIs(t, ends(t, got), ErrClosed, "though the lock is held")
	require.NoError(t, a.Mutex().Close())
	require.NoError(t, b.Mutex().Unlock())
	require.NoError(t, b.Mutex().Lock(within(t)), "nobody has died")
	require.NoError(t, b.Mutex().Unlock())
}

// Waiters that give up at the moment of a notification: none is lost, none is
// used twice.
func TestCondCountsNotifications(t *testing.T) {
	const goroutines, rounds = 4, 100
	k := newDesk(t)
	a, _ := k.view()
	b, _ := k.view()
	var notified atomic.Int32
	var granted int
	var wg sync.WaitGroup
	var left atomic.Int32
	left.Store(2 * goroutines)
	for _, c := range []*Cond{a, b} {
		for g := range goroutines {
			wg.Go(func() {
				defer left.Add(-1)
				for i := range rounds {
					ctx, cancel := context.WithCancel(within(t))
					if (i+g)%2 == 0 {
						go cancel()
					} else {
						go func() { // in case that nobody notifies any more
							<-ctx.Done()
						}()
						context.AfterFunc(ctx, func() {})
					}
					err := c.Mutex().Lock(within(t))
					if err == nil {
						if c.Wait(ctx) == nil {
							notified.Add(1)
						}
						err = c.Mutex().Unlock()
					}
					if err != nil {
						t.Error(err)
					}
					cancel()
				}
			})
		}
	}
	n, _ := k.view()
	for left.Load() > 0 {
		require.NoError(t, n.Mutex().With(within(t), func() error {
			granted += n.grant(1)
			n.state.notified.publish(everybody)
			return nil
		}))
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.EqualValues(t, granted, notified.Load())
	require.Zero(t, n.Waiting())
}
