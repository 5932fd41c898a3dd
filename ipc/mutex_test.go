package ipc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// twoViews are the views of two processes of one mutex.
func twoViews(t testing.TB, opts ...MutexOption) (a, b *Mutex, da, db *mate, s *MutexState) {
	w := newWorld(t)
	s = new(MutexState)
	da, db = w.mate(), w.mate()
	return NewMutex(da, s, opts...), NewMutex(db, s, opts...), da, db, s
}

// _TestLock.test_lock
func TestMutexLocksOnce(t *testing.T) {
	a, b, da, _, _ := twoViews(t)
	ctx := within(t)
	require.NoError(t, a.Lock(ctx))
	for _, m := range []*Mutex{a, b} {
		ok, err := m.TryLock()
		require.NoError(t, err)
		require.False(t, ok)
		require.True(t, m.Locked())
		require.Equal(t, da.Self(), m.Owner())
	}
	require.ErrorIs(t, b.Unlock(), ErrNotOwner)
	require.True(t, a.Locked())
	require.NoError(t, a.Unlock())
	require.ErrorIs(t, a.Unlock(), ErrNotLocked)
	require.ErrorIs(t, b.Unlock(), ErrNotLocked)
	require.False(t, a.Locked())
	ok, err := b.TryLock()
	require.NoError(t, err)
	require.True(t, ok)
}

// _TestLock.test_lock_context
func TestMutexWithUnlocksInEveryCase(t *testing.T) {
	a, _, _, _, _ := twoViews(t)
	ctx, boom := within(t), errors.New("boom")
	require.NoError(t, a.With(ctx, func() error {
		require.True(t, a.Locked())
		return nil
	}))
	require.ErrorIs(t, a.With(ctx, func() error { return boom }), boom)
	require.Panics(t, func() { _ = a.With(ctx, func() error { panic("boom") }) })
	require.False(t, a.Locked())
}

// _TestLock.test_repr_lock
func TestMutexStringTellsTheOwner(t *testing.T) {
	a, b, da, _, s := twoViews(t)
	require.Equal(t, "Mutex(owner=none)", a.String())
	require.NoError(t, a.Lock(within(t)))
	require.Equal(t, "Mutex(owner=self)", a.String())
	require.Equal(t, "Mutex(owner=1.1)", b.String())
	da.die()
	require.Equal(t, "Mutex(owner=1.1, died)", b.String())
	s.word.Store(uint32(shm.DeadOwner))
	require.Equal(t, "Mutex(owner=a dead owner)", b.String())
	require.NoError(t, b.Close())
	require.Equal(t, "Mutex(closed)", b.String())
}

func TestMutexLockWaitsForUnlock(t *testing.T) {
	a, b, _, _, _ := twoViews(t)
	ctx := within(t)
	require.NoError(t, a.Lock(ctx))
	got := start(func() error { return b.Lock(ctx) })
	blocks(t, got)
	require.NoError(t, a.Unlock())
	require.NoError(t, ends(t, got))
	require.NoError(t, b.Unlock())
}

func TestMutexLockEndsWithItsContext(t *testing.T) {
	a, b, _, _, s := twoViews(t)
	require.NoError(t, a.Lock(within(t)))
	ctx, cancel := context.WithCancel(context.Background())
	var got []<-chan error
	for range 5 { // one leader and four in the queue
		got = append(got, start(func() error { return b.Lock(ctx) }))
	}
	blocks(t, got[0])
	cancel()
	for _, c := range got {
		require.ErrorIs(t, ends(t, c), context.Canceled)
	}
	require.ErrorIs(t, b.Lock(ctx), context.Canceled)
	require.NoError(t, a.Unlock())
	require.ErrorIs(t, b.Lock(ctx), context.Canceled, "free, but the context is done")
	require.Zero(t, s.word.Load())
}

func TestMutexOwnerDiedUntilRecovered(t *testing.T) {
	a, b, da, _, _ := twoViews(t)
	ctx := within(t)
	require.NoError(t, a.Lock(ctx))
	waiting := start(func() error { return b.Lock(ctx) })
	blocks(t, waiting)
	da.die()

	err := ends(t, waiting)
	require.ErrorIs(t, err, ErrOwnerDied)
	var died *OwnerDiedError
	require.ErrorAs(t, err, &died)
	require.Equal(t, da.Self(), died.Owner)
	require.ErrorIs(t, b.Lock(ctx), ErrOwnerDied, "sticky")
	_, err = b.TryLock()
	require.ErrorIs(t, err, ErrOwnerDied)
	require.ErrorIs(t, b.Unlock(), ErrNotOwner)

	require.NoError(t, b.Recover(ctx, func() error {
		require.Equal(t, b.d.Self(), b.Owner(), "repairing with the lock held")
		return nil
	}))
	require.False(t, b.Locked())
	require.NoError(t, b.Lock(ctx))
}

func TestMutexFailedRepairLeavesItBroken(t *testing.T) {
	a, b, da, _, s := twoViews(t)
	c := NewMutex(da.world.mate(), s)
	ctx, boom := within(t), errors.New("boom")
	require.NoError(t, a.Lock(ctx))
	da.die()

	repairing, waiter := make(chan struct{}), make(chan struct{})
	got := start(func() error {
		return b.Recover(ctx, func() error {
			close(repairing)
			<-waiter
			return boom
		})
	})
	<-repairing
	other := start(func() error { return c.Lock(ctx) })
	blocks(t, other)
	require.ErrorIs(t, c.Recover(ctx, nil), ErrHealthy, "somebody is at it")
	close(waiter)
	require.ErrorIs(t, ends(t, got), boom)
	require.ErrorIs(t, ends(t, other), ErrOwnerDied)
	require.EqualValues(t, shm.DeadOwner, s.word.Load())

	require.Panics(t, func() { _ = b.Recover(ctx, func() error { panic("boom") }) })
	require.ErrorIs(t, b.Lock(ctx), ErrOwnerDied)
	require.NoError(t, b.Recover(ctx, nil))
	require.NoError(t, c.Lock(ctx))
}

func TestMutexRecoverOfAHealthyLock(t *testing.T) {
	a, b, _, _, _ := twoViews(t)
	never := func() error { t.Error("repaired"); return nil }
	require.ErrorIs(t, a.Recover(within(t), never), ErrHealthy)
	require.NoError(t, a.Lock(within(t)))
	require.ErrorIs(t, a.Recover(within(t), never), ErrHealthy)
	require.ErrorIs(t, b.Recover(within(t), never), ErrHealthy)
	require.True(t, a.Locked())
}

func TestMutexOneOfManyRecovers(t *testing.T) {
	for range 200 {
		a, _, da, _, s := twoViews(t)
		require.NoError(t, a.Lock(within(t)))
		da.die()
		var repairs, healthy atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			m := NewMutex(da.world.mate(), s)
			wg.Go(func() {
				err := m.Recover(within(t), func() error { repairs.Add(1); return nil })
				if errors.Is(err, ErrHealthy) {
					healthy.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, repairs.Load())
		require.EqualValues(t, 3, healthy.Load())
		require.Zero(t, s.word.Load())
	}
}

func TestMutexIgnoringOwnerDeath(t *testing.T) {
	a, b, da, _, _ := twoViews(t, IgnoreOwnerDeath())
	ctx := within(t)
	require.NoError(t, a.Lock(ctx))
	got := start(func() error { return b.Lock(ctx) })
	blocks(t, got)
	da.die()
	require.NoError(t, ends(t, got))
	require.NoError(t, b.Unlock())
	require.False(t, b.Locked())
}

// The crash table of the type's essay: what a process leaves that is killed after
// each step, made by hand.
func TestMutexSurvivesAKillAfterEachStep(t *testing.T) {
	for _, kill := range []struct {
		after string
		leave func(word *shared.Uint32, dead uint32)
		died  bool
	}{
		{"0 → me", func(w *shared.Uint32, d uint32) { w.Store(d | waiters) }, true},
		{"me|w → 0, no wake-up", func(w *shared.Uint32, _ uint32) { w.Store(0) }, false},
		{"0 → me|waiters", func(w *shared.Uint32, d uint32) { w.Store(d | waiters) }, true},
		{"me → DeadOwner, no wake-up", func(w *shared.Uint32, _ uint32) { w.Store(uint32(shm.DeadOwner)) }, true},
	} {
		t.Run(kill.after, func(t *testing.T) {
			a, b, da, _, s := twoViews(t)
			ctx := within(t)
			require.NoError(t, a.Lock(ctx))
			var got []<-chan error
			for range 3 {
				got = append(got, start(func() error {
					err := b.Lock(ctx)
					if err == nil {
						err = b.Unlock()
					}
					return err
				}))
			}
			eventually(t, func() bool { return s.word.Load()&waiters != 0 })
			kill.leave(&s.word, uint32(da.Self()))
			da.die()
			for _, c := range got {
				err := ends(t, c)
				require.Equal(t, kill.died, errors.Is(err, ErrOwnerDied), "%v", err)
			}
		})
	}
}

// A sleeper of another process is woken, and killed before it does anything: the
// wake-up is lost, the epoch makes up for it.
func TestMutexWakeUpThatDiesWithItsReceiver(t *testing.T) {
	a, b, da, _, s := twoViews(t)
	ctx := within(t)
	victim := da.world.mate()
	require.NoError(t, a.Lock(ctx))
	got := start(func() error { return b.Lock(ctx) })
	eventually(t, func() bool { return s.word.Load()&waiters != 0 })
	s.word.Store(0) // Unlock, whose one wake-up goes to the victim
	victim.die()
	require.NoError(t, ends(t, got))
}

func TestMutexGarbageInTheWordIsNoOwner(t *testing.T) {
	a, _, _, _, s := twoViews(t)
	for _, garbage := range []uint32{1, 255, 0x7fffff01} {
		s.word.Store(garbage)
		require.ErrorIs(t, a.Lock(within(t)), shm.ErrDamaged)
		require.ErrorIs(t, a.Unlock(), ErrNotOwner)
		require.ErrorIs(t, a.Recover(within(t), nil), ErrHealthy)
		require.Equal(t, garbage, s.word.Load())
	}
}

func TestMutexCloseReleasesItsWaiters(t *testing.T) {
	a, b, _, _, s := twoViews(t)
	ctx := within(t)
	require.NoError(t, a.Lock(ctx))
	var got []<-chan error
	for range 5 {
		got = append(got, start(func() error { return b.Lock(ctx) }))
	}
	blocks(t, got[0])
	require.NoError(t, b.Close())
	for _, c := range got {
		require.ErrorIs(t, ends(t, c), ErrClosed)
	}
	_, err := b.TryLock()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, b.Lock(ctx), ErrClosed)
	require.ErrorIs(t, b.Unlock(), ErrClosed)
	require.ErrorIs(t, b.Recover(ctx, nil), ErrClosed)
	require.NoError(t, b.Close())
	require.NoError(t, a.Unlock(), "the others are not concerned")
	require.Zero(t, s.word.Load())
}

func TestMutexCloseWhileHeldIsADeathOfTheOwner(t *testing.T) {
	a, b, _, _, _ := twoViews(t)
	ctx := within(t)
	require.NoError(t, a.Lock(ctx))
	got := start(func() error { return b.Lock(ctx) })
	blocks(t, got)
	require.NoError(t, a.Close())
	require.ErrorIs(t, ends(t, got), ErrOwnerDied)
}

// Many goroutines of several processes, some of which give up, one counter.
func TestMutexExcludes(t *testing.T) {
	const processes, goroutines, rounds = 3, 4, 300
	w, s := newWorld(t), new(MutexState)
	var count, want int
	var wanted shared.Int64
	var wg sync.WaitGroup
	ctx := within(t)
	for range processes {
		m := NewMutex(w.mate(), s)
		for g := range goroutines {
			wg.Go(func() {
				for i := range rounds {
					ctx, cancel := context.WithCancel(ctx)
					if (i+g)%5 == 0 {
						go cancel()
					}
					if err := m.Lock(ctx); err == nil {
						count++
						wanted.Add(1)
						if err := m.Unlock(); err != nil {
							t.Error(err)
						}
					} else if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					cancel()
				}
			})
		}
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	want = int(wanted.Load())
	require.Equal(t, want, count)
	require.Zero(t, s.word.Load())
}

// Processes die all the time, with and without the lock; whoever is left goes on.
func TestMutexStormOfDeaths(t *testing.T) {
	const processes, rounds = 4, 150
	w, s := newWorld(t), new(MutexState)
	ctx := within(t)
	var mu sync.Mutex
	mate := func() *mate { mu.Lock(); defer mu.Unlock(); return w.mate() }
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			for range rounds {
				d := mate()
				m := NewMutex(d, s)
				if err := lockOrRecover(ctx, m); err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d owners", n)
				}
				inside.Add(-1)
				switch s.word.Load() % 3 {
				case 0: // dies holding it
				case 1: // dies before the wake-up
					s.word.Store(0)
				default:
					if err := m.Unlock(); err != nil {
						t.Error(err)
					}
				}
				d.die()
			}
		})
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
}

func lockOrRecover(ctx context.Context, m *Mutex) error {
	err := m.Lock(ctx)
	for errors.Is(err, ErrOwnerDied) {
		if err = m.Recover(ctx, nil); err == nil || errors.Is(err, ErrHealthy) {
			err = m.Lock(ctx)
		}
	}
	return err
}

func TestMutexTenThousandGoroutinesHoldFewThreads(t *testing.T) {
	a, b, _, _, s := twoViews(t)
	const n = 10000
	ctx := within(t)
	require.NoError(t, a.Lock(ctx))
	before := threads(t)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := b.Lock(ctx); err != nil {
				t.Error(err)
				return
			}
			if err := b.Unlock(); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, func() bool { return b.gate.waiting() == n && s.word.Load()&waiters != 0 })
	require.LessOrEqual(t, threads(t)-before, 4)
	require.NoError(t, a.Unlock())
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.LessOrEqual(t, threads(t)-before, 4)
}

func TestMutexFastPathsDoNotAllocate(t *testing.T) {
	a, _, _, _, _ := twoViews(t)
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = a.Lock(ctx)
		_, _ = a.TryLock()
		_ = a.Unlock()
	}))
}

func BenchmarkMutexUncontended(b *testing.B) {
	m, _, _, _, _ := twoViews(b)
	ctx := context.Background()
	for b.Loop() {
		_ = m.Lock(ctx)
		_ = m.Unlock()
	}
}

func BenchmarkMutexTryLock(b *testing.B) {
	m, _, _, _, _ := twoViews(b)
	for b.Loop() {
		_, _ = m.TryLock()
		_ = m.Unlock()
	}
}

func BenchmarkMutexUncontendedWithCancel(b *testing.B) {
	m, _, _, _, _ := twoViews(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for b.Loop() {
		_ = m.Lock(ctx)
		_ = m.Unlock()
	}
}

// Two simulated processes with eight goroutines each.
func BenchmarkMutexContended(b *testing.B) {
	m1, m2, _, _, _ := twoViews(b)
	ctx := context.Background()
	var i atomic.Int32
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		m := m1
		if i.Add(1)%2 == 0 {
			m = m2
		}
		for pb.Next() {
			_ = m.Lock(ctx)
			_ = m.Unlock()
		}
	})
}
