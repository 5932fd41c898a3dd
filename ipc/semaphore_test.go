package ipc

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func twoSemaphores(t testing.TB, n int) (a, b *Semaphore, w *world, s *SemaphoreState) {
	w, s = newWorld(t), new(SemaphoreState)
	require.NoError(t, InitSemaphore(s, n))
	return NewSemaphore(w.mate(), s), NewSemaphore(w.mate(), s), w, s
}

// _TestSemaphore.test_semaphore
func TestSemaphoreCounts(t *testing.T) {
	a, b, _, _ := twoSemaphores(t, 2)
	ctx := within(t)
	require.Equal(t, 2, a.Value())
	require.NoError(t, a.Acquire(ctx))
	require.Equal(t, 1, b.Value())
	require.NoError(t, b.Acquire(ctx))
	require.True(t, a.Locked())
	ok, err := a.TryAcquire()
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, a.Release(1))
	require.NoError(t, a.Release(1))
	require.NoError(t, a.Release(2), "more than there were at first")
	require.Equal(t, 4, b.Value())
	require.Equal(t, "Semaphore(value=4)", b.String())
}

// _TestSemaphore.test_timeout
func TestSemaphoreAcquireEndsWithItsContext(t *testing.T) {
	a, _, _, s := twoSemaphores(t, 0)
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	require.ErrorIs(t, a.Acquire(ctx), context.DeadlineExceeded)
	require.NoError(t, a.Release(1))
	require.ErrorIs(t, a.Acquire(ctx), context.DeadlineExceeded)
	require.EqualValues(t, 1, s.word.Load())
}

func TestSemaphoreRefusesBadCounts(t *testing.T) {
	a, _, _, s := twoSemaphores(t, 1)
	require.ErrorIs(t, InitSemaphore(s, -1), ErrTooFew)
	require.ErrorIs(t, InitSemaphore(s, 1<<31), ErrTooMany)
	require.ErrorIs(t, a.Release(0), ErrTooFew)
	require.ErrorIs(t, a.Release(-1), ErrTooFew)
	require.ErrorIs(t, a.Release(maxPermits), ErrTooMany)
	require.Equal(t, 1, a.Value())
}

func TestSemaphoreReleaseReachesWaitersOfAllProcesses(t *testing.T) {
	a, b, w, s := twoSemaphores(t, 0)
	c := NewSemaphore(w.mate(), s)
	ctx := within(t)
	var wg sync.WaitGroup
	for _, v := range []*Semaphore{b, c} {
		for range 50 {
			wg.Go(func() {
				if err := v.Acquire(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
	eventually(t, func() bool { return b.gate.waiting()+c.gate.waiting() == 100 })
	for i := range 25 { // by ones and by threes
		require.NoError(t, a.Release(1+2*(i%2)))
	}
	require.NoError(t, a.Release(100-25-24))
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.Zero(t, a.Value())
}

// Two releases wake one sleeper each; the first is killed on its way: the epoch
// makes the second look again. And a release whose wake-up died with its process.
func TestSemaphoreSurvivesLostWakeUps(t *testing.T) {
	_, b, w, s := twoSemaphores(t, 0)
	victim := w.mate()
	got := start(func() error { return b.Acquire(within(t)) })
	eventually(t, func() bool { return s.word.Load() == waiters })
	s.word.Store(1)
	victim.die()
	require.NoError(t, ends(t, got))
}

func TestSemaphoreCloseReleasesItsWaiters(t *testing.T) {
	a, b, _, _ := twoSemaphores(t, 0)
	got := start(func() error { return b.Acquire(within(t)) })
	blocks(t, got)
	require.NoError(t, b.Close())
	require.ErrorIs(t, ends(t, got), ErrClosed)
	require.ErrorIs(t, b.Release(1), ErrClosed)
	_, err := b.TryAcquire()
	require.ErrorIs(t, err, ErrClosed)
	require.Equal(t, "Semaphore(closed)", b.String())
	require.NoError(t, a.Release(1))
	require.NoError(t, a.Acquire(within(t)))
}

// Permits belong to nobody, so a death gives none back; anybody may.
func TestSemaphorePermitsOfTheDeadAreGone(t *testing.T) {
	w, s := newWorld(t), new(SemaphoreState)
	require.NoError(t, InitSemaphore(s, 1))
	dying := w.mate()
	a, b := NewSemaphore(dying, s), NewSemaphore(w.mate(), s)
	require.NoError(t, a.Acquire(within(t)))
	got := start(func() error { return b.Acquire(within(t)) })
	blocks(t, got)
	dying.die()
	blocks(t, got)
	require.NoError(t, b.Release(1))
	require.NoError(t, ends(t, got))
}

func TestSemaphoreKeepsItsCount(t *testing.T) {
	const permits, rounds = 3, 400
	w, s := newWorld(t), new(SemaphoreState)
	require.NoError(t, InitSemaphore(s, permits))
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 3 {
		v := NewSemaphore(w.mate(), s)
		for g := range 4 {
			wg.Go(func() {
				for i := range rounds {
					ctx, cancel := context.WithCancel(within(t))
					if (i+g)%7 == 0 {
						go cancel()
					}
					if v.Acquire(ctx) == nil {
						if n := inside.Add(1); n > permits {
							t.Errorf("%d inside", n)
						}
						inside.Add(-1)
						if err := v.Release(1); err != nil {
							t.Error(err)
						}
					}
					cancel()
				}
			})
		}
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.EqualValues(t, permits, s.word.Load()&ownerMask)
}

func TestSemaphoreTenThousandGoroutinesHoldFewThreads(t *testing.T) {
	a, b, _, _ := twoSemaphores(t, 0)
	fewThreads(t, b.gate, func(ctx context.Context) error { return b.Acquire(ctx) },
		func() error { return a.Release(10000) })
}

// fewThreads blocks ten thousand goroutines at a gate and releases them.
func fewThreads(t *testing.T, g *gate, block func(ctx context.Context) error, release func() error) {
	t.Helper()
	const n = 10000
	ctx, before := within(t), threads(t)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := block(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, func() bool { return g.waiting() == n })
	require.LessOrEqual(t, threads(t)-before, 4)
	require.NoError(t, release())
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.LessOrEqual(t, threads(t)-before, 4)
}

func BenchmarkSemaphoreUncontended(b *testing.B) {
	s, _, _, _ := twoSemaphores(b, 1)
	ctx := context.Background()
	for b.Loop() {
		_ = s.Acquire(ctx)
		_ = s.Release(1)
	}
}
