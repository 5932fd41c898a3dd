package mp

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The tests of these files stand for those of CPython's _test_multiprocessing.py
// that their comments name, and like there, other processes take part.

// patience is how long these tests wait for what does not come.
const patience = 30 * time.Millisecond

// requireTimeout checks that a wait ends with its context, and not before.
func requireTimeout(t *testing.T, wait func(ctx context.Context) error) {
	t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.ErrorIs(t, wait(ctx), context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(begun), patience)
}

// _TestLock.test_lock
func TestReferenceLock(t *testing.T) {
	s := newStage(t)
	require.NoError(t, s.Mutex.Lock(t.Context()))
	ok, err := s.Mutex.TryLock()
	require.NoError(t, err)
	require.False(t, ok)
	requireTimeout(t, s.Mutex.Lock) // it is not re-entrant
	require.NoError(t, s.Mutex.Unlock())
	require.ErrorIs(t, s.Mutex.Unlock(), ErrNotLocked)
}

// _TestLock.test_rlock
func TestReferenceRLock(t *testing.T) {
	s := newStage(t)
	h := s.RLock.Holder()
	for n := range 3 {
		require.NoError(t, h.Lock(t.Context()))
		require.Equal(t, n+1, h.Count())
	}
	for range 3 {
		require.True(t, s.RLock.Locked())
		require.NoError(t, h.Unlock())
	}
	require.False(t, s.RLock.Locked())
	require.ErrorIs(t, h.Unlock(), ErrNotLocked)
	require.Zero(t, h.Count())
}

// _TestLock.test_lock_context
func TestReferenceLockContext(t *testing.T) {
	s := newStage(t)
	ran := false
	require.NoError(t, s.Mutex.With(t.Context(), func() error {
		ran = true
		require.True(t, s.Mutex.Locked())
		return nil
	}))
	require.True(t, ran)
	require.False(t, s.Mutex.Locked())
	require.Panics(t, func() {
		_ = s.Mutex.With(t.Context(), func() error { panic("in the block") })
	})
	require.False(t, s.Mutex.Locked(), "as by a with statement that an exception leaves")
}

// _TestLock.test_rlock_context, of 3.14
func TestReferenceRLockContext(t *testing.T) {
	s := newStage(t)
	h := s.RLock.Holder()
	require.NoError(t, h.With(t.Context(), func() error {
		return h.With(t.Context(), func() error {
			require.Equal(t, 2, h.Count())
			return nil
		})
	}))
	require.False(t, s.RLock.Locked())
}

// _TestLock.test_lock_locked_2processes, of 3.14
func TestReferenceLockedByAnotherProcess(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	require.False(t, s.Mutex.Locked())
	a.does("lock")
	require.True(t, s.Mutex.Locked())
	a.does("unlock")
	require.False(t, s.Mutex.Locked())
}

// _TestLock.test_rlock_locked_2processes, of 3.14
func TestReferenceRLockLockedByAnotherProcess(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	require.False(t, s.RLock.Locked())
	a.does("hold")
	a.does("hold")
	require.True(t, s.RLock.Locked())
	a.does("let go")
	require.True(t, s.RLock.Locked())
	a.does("let go")
	require.False(t, s.RLock.Locked())
}

// _TestLock.test_repr_lock, of 3.14: owner None, this process, another one
func TestReferenceLockTellsItsOwner(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	require.Equal(t, "Mutex(owner=none)", s.Mutex.String())
	require.NoError(t, s.Mutex.Lock(t.Context()))
	require.Equal(t, "Mutex(owner=self)", s.Mutex.String())
	require.NoError(t, s.Mutex.Unlock())
	a.does("lock")
	require.Equal(t, "Mutex(owner="+a.inc.String()+")", s.Mutex.String())
	a.does("unlock")
}

// _TestLock.test_repr_rlock, of 3.14: owner and count
func TestReferenceRLockTellsItsOwner(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	require.Equal(t, "RLock(owner=none, count=0)", s.RLock.String())
	h := s.RLock.Holder()
	require.NoError(t, h.Lock(t.Context()))
	require.NoError(t, h.Lock(t.Context()))
	require.Contains(t, s.RLock.String(), "owner=self")
	require.NotContains(t, s.RLock.String(), "count=0")
	require.NoError(t, h.Unlock())
	require.NoError(t, h.Unlock())
	a.does("hold")
	require.Contains(t, s.RLock.String(), "owner="+a.inc.String())
	a.does("let go")
}

// _TestSemaphore.test_semaphore
func TestReferenceSemaphore(t *testing.T) {
	requireEmpty(t)
	sem, err := NewSemaphore(2)
	require.NoError(t, err)
	ctx := t.Context()
	require.Equal(t, 2, sem.Value())
	for n := range 2 {
		require.NoError(t, sem.Acquire(ctx))
		require.Equal(t, 1-n, sem.Value())
	}
	ok, err := sem.TryAcquire()
	require.NoError(t, err)
	require.False(t, ok)
	require.Zero(t, sem.Value())
	for n := range 4 { // 3 and 4 are more than there were at first
		require.NoError(t, sem.Release(1))
		require.Equal(t, n+1, sem.Value())
	}
	require.NoError(t, sem.Free())
	require.Zero(t, inUse())
}

// _TestSemaphore.test_bounded_semaphore, with the over-release that is commented
// out there
func TestReferenceBoundedSemaphore(t *testing.T) {
	requireEmpty(t)
	sem, err := NewBoundedSemaphore(2)
	require.NoError(t, err)
	ctx := t.Context()
	require.Equal(t, 2, sem.Value())
	for n := range 2 {
		require.NoError(t, sem.Acquire(ctx))
		require.Equal(t, 1-n, sem.Value())
	}
	ok, err := sem.TryAcquire()
	require.NoError(t, err)
	require.False(t, ok)
	for n := range 2 {
		require.NoError(t, sem.Release())
		require.Equal(t, n+1, sem.Value())
	}
	require.ErrorIs(t, sem.Release(), ErrOverRelease)
	require.Equal(t, 2, sem.Value())
	require.NoError(t, sem.Free())
	require.Zero(t, inUse())
}

// _TestSemaphore.test_timeout
func TestReferenceSemaphoreTimeout(t *testing.T) {
	s := newStage(t)
	ok, err := s.Sem.TryAcquire()
	require.NoError(t, err)
	require.False(t, ok)
	requireTimeout(t, s.Sem.Acquire)
	require.NoError(t, s.Bounded.Acquire(t.Context()))
	requireTimeout(t, s.Bounded.Acquire)
	require.NoError(t, s.Bounded.Release())
}

// TestSyncManagerTypes.test_semaphore: acquired by a child, released here
func TestReferenceSemaphoreAcquiredByAChild(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	a.tell("acquire")
	require.NoError(t, s.Sem.Release(1))
	a.hear("acquire", nil)
	require.NoError(t, s.Sem.Release(1))
	require.Equal(t, 1, s.Sem.Value())
}

// endsWithAll takes everything that a process can own, and just ends.
var endsWithAll = Register("test.endsWithAll", func(ctx context.Context, s stage) (int, error) {
	return 0, errorOf(s.Mutex.Lock(ctx), s.Quiet.Lock(ctx), s.RLock.Holder().Lock(ctx), s.RW.Lock(ctx), s.Bounded.Acquire(ctx))
})

// TestSyncManagerTypes.test_lock, .test_rlock and .test_bounded_semaphore: acquired by
// a child that ends. There the parent may release; here nobody can for another, and
// a process that ends is dead, however it ended.
func TestReferenceLocksOfAChildThatEnds(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	_, err := endsWithAll.Run(ctx, *s)
	require.NoError(t, err)
	require.ErrorIs(t, s.Mutex.Unlock(), ErrNotOwner)
	require.ErrorIs(t, s.Mutex.Lock(ctx), ErrOwnerDied)
	require.ErrorIs(t, s.RLock.Holder().Lock(ctx), ErrOwnerDied)
	require.ErrorIs(t, s.RW.Lock(ctx), ErrOwnerDied)
	require.NoError(t, errorOf(s.Mutex.Recover(ctx, nil), s.RLock.Recover(ctx, nil), s.RW.Recover(ctx, nil)))
	require.NoError(t, s.Quiet.Lock(ctx), "it passes on")
	require.NoError(t, s.Bounded.Acquire(ctx), "the permit is back")
	require.NoError(t, errorOf(s.Quiet.Unlock(), s.Bounded.Release()))
	require.ErrorIs(t, s.Bounded.Release(), ErrOverRelease)
}
