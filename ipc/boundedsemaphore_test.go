package ipc

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

func newBounded(t testing.TB, n int) []byte {
	size, err := BoundedSemaphoreSize(n)
	require.NoError(t, err)
	mem := make([]byte, size)
	require.NoError(t, InitBoundedSemaphore(mem, n))
	return mem
}

func openBounded(t testing.TB, d Domain, mem []byte) *BoundedSemaphore {
	s, err := OpenBoundedSemaphore(d, mem)
	require.NoError(t, err)
	return s
}

// _TestSemaphore.test_bounded_semaphore
func TestBoundedSemaphoreCounts(t *testing.T) {
	w, mem := newWorld(t), newBounded(t, 2)
	a, b := openBounded(t, w.mate(), mem), openBounded(t, w.mate(), mem)
	ctx := within(t)
	require.ErrorIs(t, a.Release(), ErrOverRelease)
	require.NoError(t, a.Acquire(ctx))
	require.NoError(t, a.Acquire(ctx))
	require.True(t, b.Locked())
	ok, err := b.TryAcquire()
	require.NoError(t, err)
	require.False(t, ok)
	require.ErrorIs(t, b.Release(), ErrOverRelease, "they are a's")
	require.NoError(t, a.Release())
	require.Equal(t, 1, b.Value())
	require.Equal(t, "BoundedSemaphore(value=1, maxvalue=2)", b.String())
	require.NoError(t, a.Release())
	require.ErrorIs(t, a.Release(), ErrOverRelease)
	require.Equal(t, 2, b.Value())
}

func TestBoundedSemaphoreRefusesBadMemory(t *testing.T) {
	for _, n := range []int{0, -1} {
		_, err := BoundedSemaphoreSize(n)
		require.ErrorIs(t, err, ErrTooFew)
	}
	_, err := BoundedSemaphoreSize(MaxBoundedPermits + 1)
	require.ErrorIs(t, err, ErrTooMany)
	require.Error(t, InitBoundedSemaphore(make([]byte, 8), 1))
	d := newWorld(t).mate()
	for _, mem := range [][]byte{nil, make([]byte, 8), newBounded(t, 4)[:16]} {
		_, err := OpenBoundedSemaphore(d, mem)
		require.ErrorIs(t, err, shm.ErrDamaged)
	}
}

func TestBoundedSemaphorePermitsOfTheDeadReturn(t *testing.T) {
	w, mem := newWorld(t), newBounded(t, 3)
	dying := w.mate()
	a, b := openBounded(t, dying, mem), openBounded(t, w.mate(), mem)
	ctx := within(t)
	for range 3 {
		require.NoError(t, a.Acquire(ctx))
	}
	var got []<-chan error
	for range 3 {
		got = append(got, start(func() error { return b.Acquire(ctx) }))
	}
	blocks(t, got[0])
	dying.die()
	for _, c := range got {
		require.NoError(t, ends(t, c))
	}
	require.Zero(t, b.Value())
	for range 3 {
		require.NoError(t, b.Release())
	}
	require.Equal(t, 3, b.Value())
}

func TestBoundedSemaphoreCloseGivesBack(t *testing.T) {
	w, mem := newWorld(t), newBounded(t, 1)
	a, b := openBounded(t, w.mate(), mem), openBounded(t, w.mate(), mem)
	require.NoError(t, a.Acquire(within(t)))
	got := start(func() error { return b.Acquire(within(t)) })
	blocks(t, got)
	require.NoError(t, a.Close())
	require.NoError(t, ends(t, got))
	require.ErrorIs(t, a.Acquire(within(t)), ErrClosed)
	require.ErrorIs(t, a.Release(), ErrClosed)
}

func TestBoundedSemaphoreStormOfDeaths(t *testing.T) {
	const permits = 3
	w, mem := newWorld(t), newBounded(t, permits)
	ctx := within(t)
	var mu sync.Mutex
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				mu.Lock()
				d := w.mate()
				mu.Unlock()
				s, err := OpenBoundedSemaphore(d, mem)
				if err == nil {
					err = s.Acquire(ctx)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n > permits {
					t.Errorf("%d inside", n)
				}
				inside.Add(-1)
				if i%3 == 0 {
					_ = s.Release()
				}
				d.die()
			}
		})
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.Equal(t, permits, openBounded(t, w.mate(), mem).Value())
}

func TestBoundedSemaphoreKeepsItsCount(t *testing.T) {
	const permits, rounds = 2, 300
	w, mem := newWorld(t), newBounded(t, permits)
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 3 {
		v := openBounded(t, w.mate(), mem)
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
						if err := v.Release(); err != nil {
							t.Error(err)
						}
					}
					cancel()
				}
			})
		}
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.Equal(t, permits, openBounded(t, w.mate(), mem).Value())
}
