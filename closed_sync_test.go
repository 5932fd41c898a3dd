package mp

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// syncObjects is a set of all objects that processes wait for, one of each type.
type syncObjects struct {
	Event   *Event
	Once    *Once
	RW      *RWMutex
	RLock   *RLock
	Cond    *Cond
	Sem     *Semaphore
	Bounded *BoundedSemaphore
	Barrier *Barrier
}

func newSyncObjects(t require.TestingT) (s syncObjects) {
	var errs [9]error
	var m *Mutex
	s.Event, errs[0] = NewEvent()
	s.Once, errs[1] = NewOnce()
	s.RW, errs[2] = NewRWMutex()
	s.RLock, errs[3] = NewRLock()
	m, errs[4] = NewMutex()
	s.Cond, errs[5] = NewCond(m)
	s.Sem, errs[6] = NewSemaphore(0)
	s.Bounded, errs[7] = NewBoundedSemaphore(1)
	s.Barrier, errs[8] = NewBarrier(2)
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.NoError(t, m.Free(), "a Cond has its own handle of its lock")
	return s
}

func (s syncObjects) all() []freer {
	return []freer{s.Event, s.Once, s.RW, s.RLock, s.Cond, s.Sem, s.Bounded, s.Barrier}
}

// operations are all uses of the objects that report an error. never is what must
// not run.
func (s syncObjects) operations(ctx context.Context, h *Holder, never func() error) map[string]operation {
	ok := func(_ bool, err error) error { return err }
	return map[string]operation{
		"Event.Set":          s.Event.Set,
		"Event.Clear":        s.Event.Clear,
		"Event.Wait":         func() error { return s.Event.Wait(ctx) },
		"Event.Free":         s.Event.Free,
		"Once.Do":            func() error { return s.Once.Do(ctx, never) },
		"Once.Free":          s.Once.Free,
		"RW.Lock":            func() error { return s.RW.Lock(ctx) },
		"RW.TryLock":         func() error { return ok(s.RW.TryLock()) },
		"RW.Unlock":          s.RW.Unlock,
		"RW.RLock":           func() error { return s.RW.RLock(ctx) },
		"RW.TryRLock":        func() error { return ok(s.RW.TryRLock()) },
		"RW.RUnlock":         s.RW.RUnlock,
		"RW.Recover":         func() error { return s.RW.Recover(ctx, never) },
		"RW.Free":            s.RW.Free,
		"RLock.Recover":      func() error { return s.RLock.Recover(ctx, never) },
		"RLock.Free":         s.RLock.Free,
		"Holder.Lock":        func() error { return h.Lock(ctx) },
		"Holder.TryLock":     func() error { return ok(h.TryLock()) },
		"Holder.Unlock":      h.Unlock,
		"New Holder.Lock":    func() error { return s.RLock.Holder().Lock(ctx) },
		"New Holder.TryLock": func() error { return ok(s.RLock.Holder().TryLock()) },
		"New Holder.Unlock":  func() error { return s.RLock.Holder().Unlock() },
		"Cond.Wait":          func() error { return s.Cond.Wait(ctx) },
		"Cond.WaitFor":       func() error { return s.Cond.WaitFor(ctx, func() bool { _ = never(); return true }) },
		"Cond.Notify":        func() error { return s.Cond.Notify(1) },
		"Cond.NotifyAll":     s.Cond.NotifyAll,
		"Cond.Free":          s.Cond.Free,
		"Sem.Acquire":        func() error { return s.Sem.Acquire(ctx) },
		"Sem.TryAcquire":     func() error { return ok(s.Sem.TryAcquire()) },
		"Sem.Release":        func() error { return s.Sem.Release(1) },
		"Sem.Free":           s.Sem.Free,
		"Bounded.Acquire":    func() error { return s.Bounded.Acquire(ctx) },
		"Bounded.TryAcquire": func() error { return ok(s.Bounded.TryAcquire()) },
		"Bounded.Release":    s.Bounded.Release,
		"Bounded.Free":       s.Bounded.Free,
		"Barrier.SetAction":  func() error { return s.Barrier.SetAction(never) },
		"Barrier.Wait":       func() error { _, err := s.Barrier.Wait(ctx); return err },
		"Barrier.Abort":      s.Barrier.Abort,
		"Barrier.Reset":      s.Barrier.Reset,
		"Barrier.Free":       s.Barrier.Free,
		"encode":             func() error { _, err := meets.Run(ctx, s); return err },
		"encode Event":       func() error { _, err := s.Event.MarshalCBOR(); return err },
		"encode Cond":        func() error { _, err := s.Cond.MarshalCBOR(); return err },
		"encode Barrier":     func() error { _, err := s.Barrier.MarshalCBOR(); return err },
		"encode Bounded":     func() error { _, err := s.Bounded.MarshalCBOR(); return err },
		"Cond of Mutex":      func() error { _, err := NewCond(new(Mutex)); return err },
	}
}

// requireMute checks the uses that report no error.
func (s syncObjects) requireMute(t *testing.T, h *Holder) {
	t.Helper()
	require.False(t, s.Event.IsSet())
	require.False(t, s.Once.Done())
	require.False(t, s.RW.Locked())
	require.Zero(t, s.RW.Readers())
	require.False(t, s.RLock.Locked())
	for _, owner := range []func() (Owner, bool){s.RW.Owner, s.RLock.Owner} {
		o, held := owner()
		require.False(t, held)
		require.Zero(t, o)
	}
	require.Zero(t, h.Count())
	require.Nil(t, s.Cond.Mutex())
	require.Zero(t, s.Cond.Waiting())
	require.Zero(t, s.Sem.Value())
	require.Zero(t, s.Bounded.Value())
	require.Zero(t, s.Bounded.Limit())
	require.False(t, s.Barrier.Broken())
	require.Zero(t, s.Barrier.Parties())
	require.Zero(t, s.Barrier.Waiting())
	for _, o := range s.all() {
		require.Contains(t, o.(interface{ String() string }).String(), "(freed)")
	}
}

// meets uses every object as its peer, the test, expects it.
var meets = Register("test.meets", func(ctx context.Context, s syncObjects) (int, error) {
	h := s.RLock.Holder()
	m := s.Cond.Mutex()
	for _, step := range []operation{
		func() error { return s.Once.Do(ctx, func() error { return nil }) },
		func() error { return s.RW.RLock(ctx) },
		s.RW.RUnlock,
		func() error { return h.Lock(ctx) },
		func() error { return h.Lock(ctx) },
		h.Unlock,
		h.Unlock,
		func() error { return s.Bounded.Acquire(ctx) },
		s.Bounded.Release,
		func() error { return s.Sem.Release(3) },
		func() error { return m.Lock(ctx) },
		s.Event.Set, // who waits for that must lock to notify, and cannot before this one waits
		func() error { return s.Cond.Wait(ctx) },
		m.Unlock,
	} {
		if err := step(); err != nil {
			return 0, err
		}
	}
	return s.Barrier.Wait(ctx)
})

func TestAllSyncObjectsWorkAcrossProcesses(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	s := newSyncObjects(t)
	p, err := meets.Start(ctx, s)
	require.NoError(t, err)
	require.NoError(t, s.Event.Wait(ctx))
	require.NoError(t, s.Cond.Mutex().Lock(ctx))
	require.NoError(t, s.Cond.Notify(1))
	require.NoError(t, s.Cond.Mutex().Unlock())
	_, err = s.Barrier.Wait(ctx)
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.True(t, s.Once.Done())
	require.Equal(t, 3, s.Sem.Value())
	require.Equal(t, 1, s.Bounded.Value())
	require.False(t, s.RW.Locked())
	require.False(t, s.RLock.Locked())
	giveBack(t, s.all())
	require.Zero(t, inUse())
}

func TestFreedSyncObjectsAreClosed(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	freed := newSyncObjects(t)
	h := freed.RLock.Holder()
	giveBack(t, freed.all())
	used := newSyncObjects(t)
	held := used.RLock.Holder()
	for what, use := range map[string]operation{
		"Event":   used.Event.Set,
		"Once":    func() error { return used.Once.Do(ctx, func() error { return nil }) },
		"RW":      func() error { return used.RW.Lock(ctx) },
		"Holder":  func() error { return held.Lock(ctx) },
		"Cond":    func() error { return used.Cond.Mutex().Lock(ctx) },
		"Sem":     func() error { return used.Sem.Release(1) },
		"Bounded": func() error { return used.Bounded.Acquire(ctx) },
		"Barrier": used.Barrier.Abort,
	} {
		require.NoError(t, use(), what)
	}
	giveBack(t, used.all())
	empty := syncObjects{
		new(Event), new(Once), new(RWMutex), new(RLock), new(Cond), new(Semaphore), new(BoundedSemaphore), new(Barrier),
	}
	never := func() error { t.Error("f ran"); return nil }
	for _, c := range []struct {
		syncObjects
		h *Holder
	}{{freed, h}, {used, held}, {empty, empty.RLock.Holder()}, {empty, new(Holder)}} {
		requireAllClosed(t, c.operations(ctx, c.h, never))
		c.requireMute(t, c.h)
	}
	require.Zero(t, inUse())
}

// Free may come before the other goroutine waits or after: both must end alike.
func TestFreeEndsTheWaitForSyncObjects(t *testing.T) {
	ctx := t.Context()
	for range 20 {
		s := newSyncObjects(t)
		h, other := s.RLock.Holder(), s.RLock.Holder()
		require.NoError(t, s.RW.Lock(ctx))
		require.NoError(t, h.Lock(ctx))
		require.NoError(t, s.Bounded.Acquire(ctx))
		m := s.Cond.Mutex()
		require.NoError(t, m.Lock(ctx))
		waits := map[string]operation{
			"Event":   func() error { return s.Event.Wait(ctx) },
			"Lock":    func() error { return s.RW.Lock(ctx) },
			"RLock":   func() error { return s.RW.RLock(ctx) },
			"Holder":  func() error { return other.Lock(ctx) },
			"Sem":     func() error { return s.Sem.Acquire(ctx) },
			"Bounded": func() error { return s.Bounded.Acquire(ctx) },
			"Cond":    func() error { return s.Cond.Wait(ctx) },
			"Barrier": func() error { _, err := s.Barrier.Wait(ctx); return err },
		}
		type end struct {
			what string
			err  error
		}
		ended := make(chan end)
		for what, wait := range waits {
			go func() { ended <- end{what, wait()} }()
		}
		giveBack(t, s.all())
		for range waits {
			e := <-ended
			require.ErrorIs(t, e.err, ErrClosed, e.what)
		}
	}
}

func TestSyncObjectsOfNoSizeAreRefused(t *testing.T) {
	requireEmpty(t)
	for _, n := range []int{-1, math.MinInt, math.MaxInt} {
		_, err := NewSemaphore(n)
		require.Error(t, err, n)
		_, err = NewBoundedSemaphore(n)
		require.Error(t, err, n)
		_, err = NewBarrier(n)
		require.Error(t, err, n)
	}
	_, err := NewBoundedSemaphore(0)
	require.Error(t, err)
	_, err = NewBarrier(0)
	require.Error(t, err)
	require.Zero(t, inUse())
}

func TestSyncObjectsOfOthersCannotBeGivenBack(t *testing.T) {
	ctx := t.Context()
	s := newSyncObjects(t)
	h, other := s.RLock.Holder(), s.RLock.Holder()
	require.ErrorIs(t, s.RW.Unlock(), ErrNotLocked)
	require.Error(t, s.RW.RUnlock())
	require.Error(t, h.Unlock())
	require.ErrorIs(t, s.Bounded.Release(), ErrOverRelease)
	require.ErrorIs(t, s.Cond.Wait(ctx), ErrNotLocked)
	require.ErrorIs(t, s.Cond.Notify(1), ErrNotLocked)
	require.Error(t, s.Sem.Release(-1))
	require.NoError(t, h.Lock(ctx))
	require.ErrorIs(t, other.Unlock(), ErrNotOwner)
	require.Equal(t, 1, h.Count())
	require.NoError(t, h.Unlock())
	require.Zero(t, s.Sem.Value())
	require.Equal(t, 1, s.Bounded.Value())
	giveBack(t, s.all())
}

func TestSyncObjectsSeeAContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newSyncObjects(t)
	require.NoError(t, s.Cond.Mutex().Lock(t.Context()))
	never := func() error { t.Error("f ran"); return nil }
	for what, do := range map[string]operation{
		"Event":   func() error { return s.Event.Wait(ctx) },
		"Once":    func() error { return s.Once.Do(ctx, never) },
		"Lock":    func() error { return s.RW.Lock(ctx) },
		"RLock":   func() error { return s.RW.RLock(ctx) },
		"Recover": func() error { return s.RW.Recover(ctx, never) },
		"Holder":  func() error { return s.RLock.Holder().Lock(ctx) },
		"Sem":     func() error { return s.Sem.Acquire(ctx) },
		"Bounded": func() error { return s.Bounded.Acquire(ctx) },
		"Cond":    func() error { return s.Cond.Wait(ctx) },
		"Barrier": func() error { _, err := s.Barrier.Wait(ctx); return err },
	} {
		require.ErrorIs(t, do(), context.Canceled, what)
	}
	require.True(t, s.Cond.Mutex().Locked())
	require.False(t, s.RW.Locked())
	require.False(t, s.RLock.Locked())
	require.Equal(t, 1, s.Bounded.Value())
	giveBack(t, s.all())
}
