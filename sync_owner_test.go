package mp

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyTheOwningProcessGivesBack(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	owner, other := s.hire(t), s.hire(t)
	for _, c := range []struct {
		name       string
		have, give string
		mine       func() error // this process gives back
		free, held error        // what it gets while nobody has it, and while another has
	}{
		{"Mutex", "lock", "unlock", s.Mutex.Unlock, ErrNotLocked, ErrNotOwner},
		{"quiet Mutex", "lock quiet", "unlock quiet", s.Quiet.Unlock, ErrNotLocked, ErrNotOwner},
		{"RWMutex", "write", "end writing", s.RW.Unlock, ErrNotLocked, ErrNotOwner},
		{"RWMutex, reading", "read", "end reading", s.RW.RUnlock, ErrNotLocked, ErrNotLocked},
		{"RLock", "hold", "let go", s.RLock.Holder().Unlock, ErrNotLocked, ErrNotOwner},
		{"BoundedSemaphore", "take", "give back", s.Bounded.Release, ErrOverRelease, ErrOverRelease},
		{"Cond's lock", "lock cond", "unlock cond", s.Cond.Mutex().Unlock, ErrNotLocked, ErrNotOwner},
		{"Cond, to wait", "lock cond", "unlock cond", func() error { return s.Cond.Wait(ctx) }, ErrNotLocked, ErrNotOwner},
		{"Cond, to notify", "lock cond", "unlock cond", func() error { return s.Cond.Notify(1) }, ErrNotLocked, ErrNotOwner},
		{"Cond, to notify all", "lock cond", "unlock cond", s.Cond.NotifyAll, ErrNotLocked, ErrNotOwner},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorIs(t, c.mine(), c.free)
			owner.does(c.have)
			for range 3 {
				require.ErrorIs(t, c.mine(), c.held)
				other.fails(c.give, c.held)
			}
			owner.does(c.give)
			require.ErrorIs(t, c.mine(), c.free, "nothing was changed by what failed")
			owner.fails(c.give, c.free)
		})
	}
	other.does("lock")
	other.does("unlock")
}

func TestAHealthyLockHasNothingToRecover(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	other := s.hire(t)
	never := func() error { t.Error("the repair ran"); return nil }
	all := func(when string) {
		t.Helper()
		require.ErrorIs(t, s.Mutex.Recover(ctx, never), ErrHealthy, when)
		require.ErrorIs(t, s.Quiet.Recover(ctx, never), ErrHealthy, when)
		require.ErrorIs(t, s.RW.Recover(ctx, never), ErrHealthy, when)
		require.ErrorIs(t, s.RLock.Recover(ctx, never), ErrHealthy, when)
		require.ErrorIs(t, s.Cond.Mutex().Recover(ctx, never), ErrHealthy, when)
		require.ErrorIs(t, s.Array.Recover(ctx, func([]int64) error { return never() }), ErrHealthy, when)
	}
	all("free")
	have := []string{"lock", "lock quiet", "write", "hold", "lock cond"}
	give := []string{"unlock", "unlock quiet", "end writing", "let go", "unlock cond"}
	for _, act := range have {
		other.does(act)
	}
	all("another's")
	for _, act := range give {
		other.does(act)
	}
	h := s.RLock.Holder()
	for _, lock := range []operation{
		func() error { return s.Mutex.Lock(ctx) }, func() error { return s.Quiet.Lock(ctx) },
		func() error { return s.RW.Lock(ctx) }, func() error { return h.Lock(ctx) },
		func() error { return s.Cond.Mutex().Lock(ctx) },
	} {
		require.NoError(t, lock())
	}
	all("its own")
	for _, unlock := range []operation{s.Mutex.Unlock, s.Quiet.Unlock, s.RW.Unlock, h.Unlock, s.Cond.Mutex().Unlock} {
		require.NoError(t, unlock())
	}
	s.hire(t).does("lock quiet") // and is killed at the end of the test
}

func TestCountsThatMakeNoSenseChangeNothing(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	for _, n := range []int{-1, math.MinInt} {
		for what, make := range map[string]func() error{
			"Semaphore":        func() error { _, err := NewSemaphore(n); return err },
			"BoundedSemaphore": func() error { _, err := NewBoundedSemaphore(n); return err },
			"Barrier":          func() error { _, err := NewBarrier(n); return err },
		} {
			require.ErrorIs(t, make(), ErrTooFew, what)
		}
		require.ErrorIs(t, s.Sem.Release(n), ErrTooFew)
	}
	_, err := NewBarrier(0)
	require.ErrorIs(t, err, ErrTooFew)
	_, err = NewBoundedSemaphore(0)
	require.ErrorIs(t, err, ErrTooFew)
	require.ErrorIs(t, s.Sem.Release(0), ErrTooFew)
	for what, make := range map[string]func() error{
		"Semaphore":        func() error { _, err := NewSemaphore(math.MaxInt32 + 1); return err },
		"BoundedSemaphore": func() error { _, err := NewBoundedSemaphore(1<<16 + 1); return err },
		"Barrier":          func() error { _, err := NewBarrier(1 << 16); return err },
	} {
		require.ErrorIs(t, make(), ErrTooMany, what)
	}

	most, err := NewSemaphore(math.MaxInt32)
	require.NoError(t, err)
	require.ErrorIs(t, most.Release(1), ErrTooMany)
	require.ErrorIs(t, most.Release(math.MaxInt), ErrTooMany)
	require.Equal(t, math.MaxInt32, most.Value())
	require.NoError(t, most.Acquire(ctx))
	require.ErrorIs(t, most.Release(2), ErrTooMany)
	require.NoError(t, most.Release(1))
	require.ErrorIs(t, most.Release(math.MaxInt), ErrTooMany)
	require.NoError(t, most.Free())

	require.NoError(t, s.Cond.Mutex().Lock(ctx))
	require.ErrorIs(t, s.Cond.Notify(0), ErrTooFew)
	require.ErrorIs(t, s.Cond.Notify(-1), ErrTooFew)
	require.NoError(t, s.Cond.Notify(math.MaxInt))
	require.NoError(t, s.Cond.Mutex().Unlock())
	require.Zero(t, s.Sem.Value())
}

func TestLocksNameTheirOwner(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	h := s.RLock.Holder()
	other := s.hire(t)
	for _, c := range []struct {
		act        string
		owner      func() (Owner, bool)
		have, give operation
	}{
		{"lock", s.Mutex.Owner, func() error { return s.Mutex.Lock(ctx) }, s.Mutex.Unlock},
		{"write", s.RW.Owner, func() error { return s.RW.Lock(ctx) }, s.RW.Unlock},
		{"hold", s.RLock.Owner, func() error { return h.Lock(ctx) }, h.Unlock},
	} {
		o, held := c.owner()
		require.False(t, held, c.act)
		require.Zero(t, o, c.act)
		require.NoError(t, c.have())
		o, held = c.owner()
		require.True(t, held, c.act)
		require.Equal(t, Owner{PID: os.Getpid()}, o, c.act)
		require.True(t, o.Self(), c.act)
		require.NoError(t, c.give())
		other.does(c.act)
		o, held = c.owner()
		require.True(t, held, c.act)
		require.Equal(t, Owner{PID: other.PID()}, o, c.act)
		require.False(t, o.Self(), c.act)
	}
	other.die()
	for _, owner := range []func() (Owner, bool){s.Mutex.Owner, s.RW.Owner, s.RLock.Owner} {
		o, held := owner()
		require.True(t, held)
		require.Equal(t, Owner{PID: other.PID(), Died: true}, o)
	}
	failure := errors.New("not to be repaired")
	require.ErrorIs(t, s.Mutex.Recover(ctx, func() error { return failure }), failure)
	o, held := s.Mutex.Owner()
	require.True(t, held)
	require.Equal(t, Owner{Died: true}, o)
	require.NoError(t, s.Mutex.Recover(ctx, nil))
	_, held = s.Mutex.Owner()
	require.False(t, held)
}

// What each object says of itself names who has it, as seen from here.
func TestObjectsTellWhoHasThem(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	other := s.hire(t)
	h := s.RLock.Holder()
	mine := func(what string, text func() string, have, give operation) {
		t.Helper()
		free := text()
		require.NoError(t, have(), what)
		require.Contains(t, text(), "self", what)
		require.NoError(t, give(), what)
		require.Equal(t, free, text(), what)
		require.Contains(t, free, "none", what)
	}
	mine("Mutex", s.Mutex.String, func() error { return s.Mutex.Lock(ctx) }, s.Mutex.Unlock)
	mine("RWMutex", s.RW.String, func() error { return s.RW.Lock(ctx) }, s.RW.Unlock)
	mine("RLock", s.RLock.String, func() error { return h.Lock(ctx) }, h.Unlock)
	mine("Cond", s.Cond.String, func() error { return s.Cond.Mutex().Lock(ctx) }, s.Cond.Mutex().Unlock)

	a, err := arena()
	require.NoError(t, err)
	texts := map[string]func() string{"lock": s.Mutex.String, "write": s.RW.String, "hold": s.RLock.String, "lock cond": s.Cond.String}
	for act, text := range texts {
		other.does(act)
		require.Contains(t, text(), other.inc.String(), act)
		require.NotContains(t, text(), "died", act)
	}
	other.die()
	require.False(t, a.Alive(other.inc))
	for act, text := range texts {
		require.Contains(t, text(), other.inc.String()+", died", act)
	}

	require.Equal(t, "Semaphore(value=0)", s.Sem.String())
	require.Equal(t, "BoundedSemaphore(value=1, maxvalue=1)", s.Bounded.String())
	require.Equal(t, "Event(unset)", s.Event.String())
	require.NoError(t, s.Event.Set())
	require.Equal(t, "Event(set)", s.Event.String())
	require.Equal(t, "Barrier(parties=2, waiting=0)", s.Barrier.String())
	require.NoError(t, s.Barrier.Abort())
	require.Equal(t, "Barrier(broken, parties=2)", s.Barrier.String())
	require.Equal(t, "Once(not done)", s.Once.String())
	doer := s.hire(t)
	doer.enters("stay in once")
	require.Equal(t, "Once(running in "+doer.inc.String()+")", s.Once.String())
	doer.die()
	require.Equal(t, "Once(running in "+doer.inc.String()+", died)", s.Once.String())
	require.NoError(t, s.Once.Do(ctx, nothing))
	require.Equal(t, "Once(done)", s.Once.String())
	require.Equal(t, "Array of 8 × int64", s.Array.String())
	require.Equal(t, "0", s.Small.String())
	require.True(t, strings.HasPrefix(s.Value.String(), "{0 false"))
}
