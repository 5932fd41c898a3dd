package ipc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func twoRW(t testing.TB, opts ...MutexOption) (a, b *RWMutex, da, db *mate, s *RWMutexState) {
	w := newWorld(t)
	da, db, s = w.mate(), w.mate(), new(RWMutexState)
	return NewRWMutex(da, s, opts...), NewRWMutex(db, s, opts...), da, db, s
}

func TestRWMutexReadersShareWritersDoNot(t *testing.T) {
	a, b, _, _, _ := twoRW(t)
	ctx := within(t)
	require.NoError(t, a.RLock(ctx))
	require.NoError(t, a.RLock(ctx))
	require.NoError(t, b.RLock(ctx))
	require.Equal(t, 3, a.Readers())
	require.Equal(t, "RWMutex(writer=none, readers=3)", b.String())
	ok, err := b.TryLock()
	require.NoError(t, err)
	require.False(t, ok)
	require.False(t, a.Locked())

	writer := start(func() error { return b.Lock(ctx) })
	eventually(t, a.Locked)
	ok, err = a.TryRLock()
	require.NoError(t, err)
	require.False(t, ok, "a writer waits")
	reader := start(func() error { return a.RLock(ctx) })
	require.ErrorIs(t, b.Unlock(), ErrNotLocked, "it waits")
	for _, l := range []*RWMutex{a, b, a} {
		blocks(t, writer)
		require.NoError(t, l.RUnlock())
	}
	require.NoError(t, ends(t, writer))
	blocks(t, reader)
	require.ErrorIs(t, a.RUnlock(), ErrNotLocked)
	require.ErrorIs(t, a.Unlock(), ErrNotOwner)
	require.NoError(t, b.Unlock())
	require.NoError(t, ends(t, reader))
	require.ErrorIs(t, b.Unlock(), ErrNotLocked)
	require.NoError(t, a.RUnlock())
}

func TestRWMutexEndsWithItsContext(t *testing.T) {
	a, b, _, _, s := twoRW(t)
	ctx, cancel := context.WithCancel(context.Background())
	ctx2, cancel2 := context.WithCancel(context.Background())
	require.NoError(t, a.RLock(ctx))
	writer := start(func() error { return b.Lock(ctx2) })
	eventually(t, a.Locked)
	reader := start(func() error { return b.RLock(ctx) })
	blocks(t, reader)
	cancel()
	require.ErrorIs(t, ends(t, reader), context.Canceled)
	blocks(t, writer)
	cancel2()
	require.ErrorIs(t, ends(t, writer), context.Canceled)
	require.ErrorIs(t, a.RLock(ctx), context.Canceled)
	require.NoError(t, a.RUnlock())
	require.NoError(t, a.Lock(within(t)))
	require.NoError(t, a.Unlock())
	require.Zero(t, s.writer.word.Load())
}

func TestRWMutexDeadReadersDoNotBlock(t *testing.T) {
	a, b, da, _, _ := twoRW(t)
	require.NoError(t, a.RLock(within(t)))
	require.NoError(t, a.RLock(within(t)))
	writer := start(func() error { return b.Lock(within(t)) })
	blocks(t, writer)
	da.die()
	require.NoError(t, ends(t, writer))
	require.Zero(t, b.Readers())
}

func TestRWMutexWriterDies(t *testing.T) {
	a, b, da, _, _ := twoRW(t)
	ctx := within(t)
	require.NoError(t, a.Lock(ctx))
	writer, reader := start(func() error { return b.Lock(ctx) }), start(func() error { return b.RLock(ctx) })
	blocks(t, writer)
	da.die()
	require.ErrorIs(t, ends(t, writer), ErrOwnerDied)
	require.ErrorIs(t, ends(t, reader), ErrOwnerDied)
	_, err := b.TryRLock()
	require.ErrorIs(t, err, ErrOwnerDied)
	boom := errors.New("boom")
	require.ErrorIs(t, b.Recover(ctx, func() error { return boom }), boom)
	require.ErrorIs(t, b.RLock(ctx), ErrOwnerDied)
	require.NoError(t, b.Recover(ctx, nil))
	require.ErrorIs(t, b.Recover(ctx, nil), ErrHealthy)
	require.NoError(t, b.RLock(ctx))
	require.NoError(t, b.RUnlock())
	require.NoError(t, b.Lock(ctx))
}

// A recoverer that dies leaves what it found.
func TestRWMutexRecovererDies(t *testing.T) {
	a, b, da, _, s := twoRW(t)
	c := da.world.mate()
	require.NoError(t, a.Lock(within(t)))
	da.die()
	require.NoError(t, NewRWMutex(c, s).m.claimFromDead())
	c.die()
	require.ErrorIs(t, b.RLock(within(t)), ErrOwnerDied)
}

// A writer that dies while it waits for readers has written nothing.
func TestRWMutexWaitingWriterDies(t *testing.T) {
	a, b, da, _, _ := twoRW(t)
	ctx := within(t)
	require.NoError(t, b.RLock(ctx))
	require.NoError(t, a.m.Lock(ctx))
	reader := start(func() error { return b.RLock(ctx) })
	blocks(t, reader)
	da.die()
	require.NoError(t, ends(t, reader))
	require.ErrorIs(t, b.Recover(ctx, nil), ErrHealthy)
	require.NoError(t, b.RUnlock())
	require.NoError(t, b.RUnlock())
	require.NoError(t, b.Lock(ctx))
}

func TestRWMutexIgnoringOwnerDeath(t *testing.T) {
	a, b, da, _, _ := twoRW(t, IgnoreOwnerDeath())
	require.NoError(t, a.Lock(within(t)))
	reader := start(func() error { return b.RLock(within(t)) })
	blocks(t, reader)
	da.die()
	require.NoError(t, ends(t, reader))
	require.NoError(t, b.RUnlock())
	require.NoError(t, b.Lock(within(t)))
	require.NoError(t, b.Unlock())
}

func TestRWMutexUnlockReachesReadersOfAllProcesses(t *testing.T) {
	a, b, da, _, s := twoRW(t)
	c := NewRWMutex(da.world.mate(), s)
	ctx := within(t)
	for range 50 {
		require.NoError(t, a.Lock(ctx))
		var got []<-chan error
		for range 3 {
			got = append(got, start(func() error { return b.RLock(ctx) }), start(func() error { return c.RLock(ctx) }))
		}
		eventually(t, func() bool { return b.entry.waiting() == 3 && c.entry.waiting() == 3 })
		require.NoError(t, a.Unlock())
		for _, g := range got {
			require.NoError(t, ends(t, g))
		}
		for range 3 {
			require.NoError(t, b.RUnlock())
			require.NoError(t, c.RUnlock())
		}
	}
}

func TestRWMutexClose(t *testing.T) {
	a, b, _, _, _ := twoRW(t)
	ctx := within(t)
	require.NoError(t, a.RLock(ctx))
	writer := start(func() error { return b.Lock(ctx) })
	eventually(t, a.Locked)
	reader := start(func() error { return b.RLock(ctx) })
	blocks(t, reader)
	require.NoError(t, b.Close())
	require.ErrorIs(t, ends(t, writer), ErrClosed)
	require.ErrorIs(t, ends(t, reader), ErrClosed)
	for _, err := range []error{b.Lock(ctx), b.RLock(ctx), b.Unlock(), b.RUnlock()} {
		require.ErrorIs(t, err, ErrClosed)
	}
	require.Equal(t, "RWMutex(closed)", b.String())
	require.NoError(t, a.Close())
	require.Zero(t, a.Readers())
}

func TestRWMutexExcludes(t *testing.T) {
	const rounds = 200
	w, s := newWorld(t), new(RWMutexState)
	var data, written int
	var wg sync.WaitGroup
	var writing, wanted atomic.Int32
	for range 3 {
		l := NewRWMutex(w.mate(), s)
		for g := range 4 {
			wg.Go(func() {
				for i := range rounds {
					ctx, cancel := context.WithCancel(within(t))
					if (i+g)%7 == 0 {
						go cancel()
					}
					if (i+g)%4 == 0 {
						if l.Lock(ctx) == nil {
							if n := writing.Add(1); n != 1 {
								t.Errorf("%d writers", n)
							}
							data++
							wanted.Add(1)
							writing.Add(-1)
							if err := l.Unlock(); err != nil {
								t.Error(err)
							}
						}
					} else if l.RLock(ctx) == nil {
						if writing.Load() != 0 {
							t.Error("reading while a writer writes")
						}
						_ = data
						if err := l.RUnlock(); err != nil {
							t.Error(err)
						}
					}
					cancel()
				}
			})
		}
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	written = int(wanted.Load())
	require.Equal(t, written, data)
	l := NewRWMutex(w.mate(), s)
	require.Zero(t, l.Readers())
	require.False(t, l.Locked())
}

func BenchmarkRWMutexRLock(b *testing.B) {
	l, _, _, _, _ := twoRW(b)
	ctx := context.Background()
	for b.Loop() {
		_ = l.RLock(ctx)
		_ = l.RUnlock()
	}
}

func BenchmarkRWMutexLock(b *testing.B) {
	l, _, _, _, _ := twoRW(b)
	ctx := context.Background()
	for b.Loop() {
		_ = l.Lock(ctx)
		_ = l.Unlock()
	}
}
