package ipc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// _TestLock.test_rlock, test_repr_rlock, test_rlock_locked_2processes
func TestRLockIsReentrantByItsHolder(t *testing.T) {
	w, s := newWorld(t), new(MutexState)
	l, other := NewRLock(w.mate(), s), NewRLock(w.mate(), s)
	h, g, far := l.Holder(), l.Holder(), other.Holder()
	ctx := within(t)
	require.ErrorIs(t, h.Unlock(), ErrNotLocked)
	for n := range 3 {
		require.NoError(t, h.Lock(ctx))
		require.Equal(t, n+1, h.Count())
	}
	ok, err := h.TryLock()
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, h.Unlock())
	for _, o := range []*Holder{g, far} {
		ok, err := o.TryLock()
		require.NoError(t, err)
		require.False(t, ok)
		require.ErrorIs(t, o.Unlock(), ErrNotOwner)
		require.Zero(t, o.Count())
	}
	require.True(t, other.Locked())
	require.Equal(t, "RLock(owner=self, count=nonzero)", l.String())
	require.Equal(t, "RLock(owner=1.1, count=unknown)", other.String())
	got := start(func() error { return g.Lock(ctx) })
	blocks(t, got)
	for range 3 {
		require.NoError(t, h.Unlock())
	}
	require.NoError(t, ends(t, got))
	require.ErrorIs(t, h.Unlock(), ErrNotOwner)
	require.NoError(t, g.Unlock())
	require.ErrorIs(t, g.Unlock(), ErrNotLocked)
	require.Equal(t, "RLock(owner=none, count=0)", other.String())
	require.NoError(t, far.With(ctx, func() error { return far.With(ctx, func() error { return nil }) }))
	require.False(t, l.Locked())
}

func TestRLockHolderDies(t *testing.T) {
	w, s := newWorld(t), new(MutexState)
	dying := w.mate()
	l, other := NewRLock(dying, s), NewRLock(w.mate(), s)
	h := l.Holder()
	require.NoError(t, h.Lock(within(t)))
	require.NoError(t, h.Lock(within(t)))
	dying.die()
	o := other.Holder()
	require.ErrorIs(t, o.Lock(within(t)), ErrOwnerDied)
	require.NoError(t, other.Recover(within(t), nil))
	require.NoError(t, o.Lock(within(t)))
	require.NoError(t, other.Close())
	require.ErrorIs(t, other.Holder().Unlock(), ErrClosed)
	require.Equal(t, "RLock(closed)", other.String())
}
