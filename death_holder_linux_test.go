package mp

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// An ownership is one way to have something that others wait for.
type ownership struct {
	name   string
	owner  []string // what the owner does to have it, one order after the other
	inside bool     // it has it inside of the last order, which does not end

	release []string // what the owner does to have it no more, unless it is inside

	// next waits for the owner's end; asleep reports that it, or somebody else, does.
	next   func(ctx context.Context, s *stage) error
	asleep func(s *stage) bool
	want   error // of next, after the owner died

	// mend undoes what the owner's death and next have left. Then all is as at
	// first.
	mend func(ctx context.Context, s *stage) error
}

// after says how an operation can be done when recover has been.
func after(recover, then func() error) error { return errors.Join(recover(), then()) }

var ownerships = []ownership{
	{
		name: "Mutex", owner: []string{"lock"}, release: []string{"unlock"},
		next:   func(ctx context.Context, s *stage) error { return s.Mutex.Lock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Mutex.obj }, 0),
		want:   ErrOwnerDied,
		mend: func(ctx context.Context, s *stage) error {
			return after(func() error { return s.Mutex.Recover(ctx, nil) },
				func() error { return s.Mutex.With(ctx, func() error { return nil }) })
		},
	},
	{
		name: "Mutex that ignores its owner's death", owner: []string{"lock quiet"}, release: []string{"unlock quiet"},
		next:   func(ctx context.Context, s *stage) error { return s.Quiet.Lock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Quiet.obj }, 0),
		mend:   func(_ context.Context, s *stage) error { return s.Quiet.Unlock() },
	},
	{
		name: "RWMutex, writer before writer", owner: []string{"write"}, release: []string{"end writing"},
		next:   func(ctx context.Context, s *stage) error { return s.RW.Lock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 0),
		want:   ErrOwnerDied,
		mend:   mendRW,
	},
	{
		name: "RWMutex, writer before reader", owner: []string{"write"}, release: []string{"end writing"},
		next:   func(ctx context.Context, s *stage) error { return s.RW.RLock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 0),
		want:   ErrOwnerDied,
		mend:   mendRW,
	},
	{
		name: "RWMutex, readers before writer", owner: []string{"read", "read"}, release: []string{"end reading", "end reading"},
		next:   func(ctx context.Context, s *stage) error { return s.RW.Lock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 12),
		mend:   func(_ context.Context, s *stage) error { return s.RW.Unlock() },
	},
	{
		name: "RLock", owner: []string{"hold", "hold", "hold"}, release: []string{"let go", "let go", "let go"},
		next:   func(ctx context.Context, s *stage) error { return s.RLock.Holder().Lock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.RLock.obj }, 0),
		want:   ErrOwnerDied,
		mend: func(ctx context.Context, s *stage) error {
			h := s.RLock.Holder()
			return errors.Join(s.RLock.Recover(ctx, nil), h.Lock(ctx), h.Unlock())
		},
	},
	{
		name: "BoundedSemaphore", owner: []string{"take"}, release: []string{"give back"},
		next:   func(ctx context.Context, s *stage) error { return s.Bounded.Acquire(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Bounded.obj }, 0),
		mend:   func(_ context.Context, s *stage) error { return s.Bounded.Release() },
	},
	{
		name: "Cond's lock, before one who wants to notify", owner: []string{"lock cond"}, release: []string{"unlock cond"},
		next: func(ctx context.Context, s *stage) error {
			return s.Cond.Mutex().With(ctx, func() error { return s.Cond.Notify(1) })
		},
		asleep: slept(func(s *stage) *shm.Object { return s.Cond.Mutex().obj }, 0),
		want:   ErrOwnerDied,
		mend:   func(ctx context.Context, s *stage) error { return s.Cond.Mutex().Recover(ctx, nil) },
	},
	{
		name: "Barrier, in its action", owner: []string{"stay in action"}, inside: true,
		next: func(ctx context.Context, s *stage) error { _, err := s.Barrier.Wait(ctx); return err },
		// The owner is the last party, so next comes first and is awaited below.
		asleep: func(s *stage) bool { return s.Barrier.Waiting() > 0 },
		want:   ErrBrokenBarrier,
		mend: func(ctx context.Context, s *stage) error {
			return errors.Join(s.Barrier.Reset(), meetAll(ctx, s.Barrier))
		},
	},
	{
		name: "Once", owner: []string{"stay in once"}, inside: true,
		next:   func(ctx context.Context, s *stage) error { return s.Once.Do(ctx, s.count(0)) },
		asleep: slept(func(s *stage) *shm.Object { return s.Once.obj }, 0),
		mend: func(ctx context.Context, s *stage) error {
			if !s.Once.Done() || s.Array.At(0) != 1 {
				return errors.New("the next one did not do it")
			}
			return s.Once.Do(ctx, s.count(1))
		},
	},
	{
		name: "Value.Update", owner: []string{"stay in update"}, inside: true,
		next:   func(ctx context.Context, s *stage) error { return s.Value.Update(ctx, (*ledger).book) },
		asleep: slept(func(s *stage) *shm.Object { return s.Value.obj }, 8),
		mend: func(ctx context.Context, s *stage) error {
			if l := s.Value.Load(); l.Serial != 1 || !l.sound() {
				return errors.New("the dead one's change is there")
			}
			return s.Value.Store(ledger{})
		},
	},
	{
		name: "Value.Update of one word", owner: []string{"stay in small update"}, inside: true,
		next:   func(ctx context.Context, s *stage) error { return s.Small.Update(ctx, func(n *int64) { *n++ }) },
		asleep: slept(func(s *stage) *shm.Object { return s.Small.obj }, 8),
		mend: func(_ context.Context, s *stage) error {
			if n, err := s.Small.Swap(0); n != 1 || err != nil {
				return errors.New("the dead one's change is there")
			}
			return nil
		},
	},
	{
		name: "Array.Update", owner: []string{"stay in array"}, inside: true,
		next:   func(ctx context.Context, s *stage) error { return s.Array.Update(ctx, raise) },
		asleep: slept(func(s *stage) *shm.Object { return s.Array.obj }, 0),
		want:   ErrOwnerDied,
		mend: func(ctx context.Context, s *stage) error {
			return after(func() error {
				return s.Array.Recover(ctx, func(counts []int64) error {
					if counts[0] != 1 || counts[1] != 0 {
						return errors.New("not what the dead one left")
					}
					counts[0] = 0
					return nil
				})
			}, func() error { return s.Array.Update(ctx, func([]int64) {}) })
		},
	},
}

func mendRW(ctx context.Context, s *stage) error {
	return errors.Join(s.RW.Recover(ctx, nil), s.RW.RLock(ctx), s.RW.RUnlock(), s.RW.Lock(ctx), s.RW.Unlock())
}

// meetAll has all parties of a barrier meet, in this process.
func meetAll(ctx context.Context, b *Barrier) error {
	results := make(chan error, b.Parties())
	for range b.Parties() {
		go func() { _, err := b.Wait(ctx); results <- err }()
	}
	var errs []error
	for range b.Parties() {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// acquire makes the actor the owner.
func (o ownership) acquire(a *actor) { a.t.Helper(); a.performs(o.owner, o.inside) }

// releases has the actor give it up.
func (o ownership) releases(owner *actor) {
	owner.t.Helper()
	for _, act := range o.release {
		owner.does(act)
	}
	if o.inside {
		owner.leaves(o.owner[len(o.owner)-1])
	}
}

// awaited makes the actor the owner, and has this process wait for what it has.
func (o ownership) awaited(t *testing.T, s *stage, owner *actor) (next <-chan error) {
	t.Helper()
	ctx := within(t)
	comeAndSleep := func() {
		next = begin(func() error { return o.next(ctx, s) })
		eventually(t, func() bool { return o.asleep(s) }, "somebody who waits for "+o.name)
	}
	if o.want == ErrBrokenBarrier { // the owner is the last party
		comeAndSleep()
		o.acquire(owner)
	} else {
		o.acquire(owner)
		comeAndSleep()
	}
	return next
}

// asBefore checks that an object is as at first after mending.
func (o ownership) asBefore(t *testing.T, s *stage) {
	t.Helper()
	require.NoError(t, o.mend(within(t), s))
	require.False(t, s.Mutex.Locked())
	require.False(t, s.Quiet.Locked())
	require.False(t, s.RW.Locked())
	require.Zero(t, s.RW.Readers())
	require.False(t, s.RLock.Locked())
	require.Equal(t, 1, s.Bounded.Value())
	require.False(t, s.Cond.Mutex().Locked())
	require.Zero(t, s.Cond.Waiting())
	require.False(t, s.Barrier.Broken())
	require.Zero(t, s.Barrier.Waiting())
}

func TestWhoWaitsForAKilledOwnerGoesOn(t *testing.T) {
	for _, o := range ownerships {
		t.Run(o.name, func(t *testing.T) {
			s := newStage(t)
			a := s.hire(t)
			next := o.awaited(t, s, a)
			require.Empty(t, next, "the owner lives")
			a.die()
			require.ErrorIs(t, <-next, o.want)
			o.asBefore(t, s)
		})
	}
}

func TestWhoComesAfterAnOwnersDeathIsToldAtOnce(t *testing.T) {
	for _, o := range ownerships {
		if o.want == ErrBrokenBarrier {
			continue // without the others there is no action
		}
		t.Run(o.name, func(t *testing.T) {
			s := newStage(t)
			a := s.hire(t)
			o.acquire(a)
			a.die()
			require.ErrorIs(t, o.next(within(t), s), o.want)
			o.asBefore(t, s)
		})
	}
}

func TestTryTellsOfAnOwnersDeath(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	for _, act := range []string{"lock", "lock quiet", "write", "hold", "take"} {
		a.does(act)
	}
	a.die()
	for name, try := range map[string]func() (bool, error){
		"Mutex":         s.Mutex.TryLock,
		"RWMutex":       s.RW.TryLock,
		"RWMutex, read": s.RW.TryRLock,
		"RLock":         s.RLock.Holder().TryLock,
	} {
		for range 3 {
			ok, err := try()
			require.ErrorIs(t, err, ErrOwnerDied, name)
			require.False(t, ok, name)
		}
	}
	for name, try := range map[string]func() (bool, error){
		"quiet Mutex":      s.Quiet.TryLock,
		"BoundedSemaphore": s.Bounded.TryAcquire,
	} {
		ok, err := try()
		require.NoError(t, err, name)
		require.True(t, ok, name)
	}
	ctx := within(t)
	require.NoError(t, errors.Join(s.Mutex.Recover(ctx, nil), s.RW.Recover(ctx, nil), s.RLock.Recover(ctx, nil)))
}

func TestADeadPartyBreaksTheBarrier(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	b, err := NewBarrier(3)
	require.NoError(t, err)
	require.NoError(t, s.Barrier.Free())
	s.Barrier = b
	meet := func() error { _, err := b.Wait(ctx); return err }

	t.Run("before the others come", func(t *testing.T) {
		a := s.hire(t)
		a.tell("meet")
		eventually(t, func() bool { return b.Waiting() == 1 }, "a party")
		a.die()
		require.ErrorIs(t, meet(), ErrBrokenBarrier)
	})
	require.True(t, b.Broken())
	require.ErrorIs(t, meet(), ErrBrokenBarrier, "it stays so")
	require.NoError(t, b.Reset())
	t.Run("while others wait", func(t *testing.T) {
		a, other := s.hire(t), s.hire(t)
		a.tell("meet")
		other.tell("meet")
		eventually(t, func() bool { return b.Waiting() == 2 }, "two parties")
		a.die()
		other.hear("meet", ErrBrokenBarrier)
		require.NoError(t, b.Reset())
		other.tell("meet")
		one := begin(meet)
		require.NoError(t, meet())
		require.NoError(t, <-one)
		other.hear("meet", nil)
	})
	t.Run("after it has gone on", func(t *testing.T) {
		a := s.hire(t)
		a.tell("meet")
		one := begin(meet)
		require.NoError(t, meet())
		require.NoError(t, <-one)
		a.hear("meet", nil)
		a.die()
		require.NoError(t, meetAll(ctx, b), "it is no party of this round")
	})
}

// What a dead owner protected is reported to everybody until it is repaired, and a
// repair that fails changes nothing.
func TestADeadOwnersLockStaysSoUntilItIsRepaired(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	a, other := s.hire(t), s.hire(t)
	a.does("lock")
	a.die()
	for range 3 {
		require.ErrorIs(t, s.Mutex.Lock(ctx), ErrOwnerDied)
		other.fails("lock", ErrOwnerDied)
		require.True(t, s.Mutex.Locked())
	}
	broken := errors.New("not to be repaired")
	require.ErrorIs(t, s.Mutex.Recover(ctx, func() error { return broken }), broken)
	other.fails("lock", ErrOwnerDied)
	require.Panics(t, func() { _ = s.Mutex.Recover(ctx, func() error { panic("in the repair") }) })
	require.ErrorIs(t, s.Mutex.Lock(ctx), ErrOwnerDied)

	runs := 0
	require.NoError(t, s.Mutex.Recover(ctx, func() error { runs++; return nil }))
	require.Equal(t, 1, runs)
	require.ErrorIs(t, s.Mutex.Recover(ctx, func() error { runs++; return nil }), ErrHealthy)
	require.Equal(t, 1, runs)
	other.does("lock")
	require.ErrorIs(t, s.Mutex.Recover(ctx, func() error { runs++; return nil }), ErrHealthy, "its owner lives")
	other.does("unlock")
	require.NoError(t, s.Mutex.Lock(ctx))
	require.NoError(t, s.Mutex.Unlock())
	require.Equal(t, 1, runs)
}

// Of many who want to repair, one does; the others are told that there is nothing
// to repair any more.
func TestOneOfManyRepairs(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	others := []*actor{s.hire(t), s.hire(t), s.hire(t)}
	for range 5 {
		a.does("lock")
		a.die()
		for _, o := range others {
			o.tell("recover")
		}
		repaired := 0
		for _, o := range others {
			r, err := o.said.Get(o.ctx)
			require.NoError(t, err)
			if r.Err == "" {
				repaired++
			} else {
				require.Equal(t, ErrHealthy.Error(), r.Err)
			}
		}
		require.Equal(t, 1, repaired)
		a = s.hire(t)
	}
}

// How long it takes is told, and asserted by nobody: the machine may be busy.
func TestTheNextOwnerIsTold(t *testing.T) {
	const kills = 30
	s := newStage(t)
	ctx := within(t)
	times := make([]time.Duration, 0, kills)
	for range kills {
		a := s.hire(t)
		a.does("lock")
		next := begin(func() error { return s.Mutex.Lock(ctx) })
		eventually(t, func() bool { return ownerships[0].asleep(s) }, "somebody who waits")
		killed := time.Now()
		require.NoError(t, a.Kill())
		require.ErrorIs(t, <-next, ErrOwnerDied)
		times = append(times, time.Since(killed))
		require.NoError(t, s.Mutex.Recover(ctx, nil))
	}
	slices.Sort(times)
	t.Logf("from kill to next owner: median %v, maximum %v of %d", times[kills/2], times[kills-1], kills)
}
