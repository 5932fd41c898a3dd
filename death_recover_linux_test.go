package mp

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/spin"
)

// Locks whose owner's death has to be repaired.
var repairs = []struct {
	name  string
	own   string
	inner bool // own does not end
	stay  string
	lock  func(ctx context.Context, s *stage) error // and unlock
	mend  func(ctx context.Context, s *stage, repair func() error) error
}{
	{
		name: "Mutex", own: "lock", stay: "stay in recovery of mutex",
		lock: func(ctx context.Context, s *stage) error { return s.Mutex.With(ctx, nothing) },
		mend: func(ctx context.Context, s *stage, repair func() error) error { return s.Mutex.Recover(ctx, repair) },
	},
	{
		name: "RWMutex, for a writer", own: "write", stay: "stay in recovery of rwmutex",
		lock: writes,
		mend: func(ctx context.Context, s *stage, repair func() error) error { return s.RW.Recover(ctx, repair) },
	},
	{
		name: "RWMutex, for a reader", own: "write", stay: "stay in recovery of rwmutex",
		lock: reads,
		mend: func(ctx context.Context, s *stage, repair func() error) error { return s.RW.Recover(ctx, repair) },
	},
	{
		name: "RLock", own: "hold", stay: "stay in recovery of rlock",
		lock: func(ctx context.Context, s *stage) error {
			h := s.RLock.Holder()
			return then(h.Lock(ctx), h.Unlock)
		},
		mend: func(ctx context.Context, s *stage, repair func() error) error { return s.RLock.Recover(ctx, repair) },
	},
	{
		name: "Cond's lock", own: "lock cond", stay: "stay in recovery of cond",
		lock: func(ctx context.Context, s *stage) error { return s.Cond.Mutex().With(ctx, nothing) },
		mend: func(ctx context.Context, s *stage, repair func() error) error {
			return s.Cond.Mutex().Recover(ctx, repair)
		},
	},
	{
		name: "Array", own: "stay in array", inner: true, stay: "stay in recovery of array",
		lock: func(ctx context.Context, s *stage) error { return s.Array.Update(ctx, func([]int64) {}) },
		mend: func(ctx context.Context, s *stage, repair func() error) error {
			return s.Array.Recover(ctx, func([]int64) error { return repair() })
		},
	},
}

func TestARecovererWhoIsKilledLeavesTheRecoveryToTheNext(t *testing.T) {
	for _, r := range repairs {
		t.Run(r.name, func(t *testing.T) {
			s := newStage(t)
			ctx := within(t)
			owner := s.hire(t)
			owner.performs([]string{r.own}, r.inner)
			owner.die()
			for range 2 {
				recoverer := s.hire(t)
				recoverer.enters(r.stay)
				waits := begin(func() error { return r.lock(ctx, s) })
				require.ErrorIs(t, r.mend(ctx, s, nothing), ErrHealthy, "somebody is at it")
				require.Empty(t, waits, "and will be done with it some time")
				recoverer.die()
				require.ErrorIs(t, <-waits, ErrOwnerDied)
			}
			require.NoError(t, r.mend(ctx, s, nothing))
			require.NoError(t, r.lock(ctx, s))
		})
	}
}

func TestARecovererWhoIsStoppedIsWaitedFor(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	owner, recoverer := s.hire(t), s.hire(t)
	owner.does("lock")
	owner.die()
	recoverer.enters("stay in recovery of mutex")
	recoverer.stop()
	waits := begin(func() error { return s.Mutex.Lock(ctx) })
	eventually(t, func() bool { return ownerships[0].asleep(s) }, "somebody who waits")
	require.ErrorIs(t, s.Mutex.Recover(ctx, nil), ErrHealthy)
	require.Empty(t, waits)
	require.NoError(t, recoverer.Signal(syscall.SIGCONT))
	recoverer.leaves("stay in recovery of mutex")
	require.NoError(t, <-waits)
	require.NoError(t, s.Mutex.Unlock())
}

// The owner, and whoever would notice its death or be the next, are killed within
// microseconds of each other, in any order.
func TestTwoDeathsAtATime(t *testing.T) {
	rounds := 12
	if brief() {
		rounds = 4
	}
	for n := range rounds {
		t.Run(fmt.Sprint("round ", n), func(t *testing.T) {
			s := newStage(t)
			owner, heir, last := s.hire(t), s.hire(t), s.hire(t)
			owner.does("lock")
			heir.tell("lock")
			eventually(t, func() bool { return ownerships[0].asleep(s) }, "somebody who waits")
			last.tell("lock")
			first, second := owner, heir
			if n%2 == 1 {
				first, second = heir, owner
			}
			require.NoError(t, first.Kill())
			for range n * 50 {
				spin.Pause(1)
			}
			require.NoError(t, second.Kill())
			last.hear("lock", ErrOwnerDied)
			require.ErrorIs(t, s.Mutex.Lock(within(t)), ErrOwnerDied)
			require.NoError(t, s.Mutex.Recover(within(t), nil))
			last.does("lock")
			last.does("unlock")
		})
	}
}

// foster has a child that owns a lock and memory. It is that child's undertaker.
var foster *Func[fosterArg, int]

func init() {
	foster = Register("test.foster", func(ctx context.Context, in fosterArg) (int, error) {
		if in.Depth == 0 {
			if err := in.Lock.Lock(ctx); err != nil {
				return 0, err
			}
			return 0, settle(ctx, in)
		}
		in.Depth--
		if _, err := foster.Start(ctx, in); err != nil {
			return 0, err
		}
		return 0, settle(ctx, in)
	})
}

type fosterArg struct {
	Depth int
	Lock  *Mutex
	PIDs  *Queue[int]
}

// settle makes objects of its own, tells of itself, and stays.
func settle(ctx context.Context, in fosterArg) error {
	var own []freer
	for n := range 13 {
		a, err := NewArray[byte](100 << n)
		if err != nil {
			return err
		}
		own = append(own, a)
	}
	if err := in.PIDs.Put(ctx, os.Getpid()); err != nil {
		return err
	}
	<-ctx.Done()
	_ = own
	select {} // it is killed
}

func TestWhoBuriesTheDeadMayDieToo(t *testing.T) {
	requireEmpty(t)
	ctx := within(t)
	rounds := 8
	if brief() {
		rounds = 2
	}
	for n := range rounds {
		lock, err := NewMutex()
		require.NoError(t, err)
		pids, err := NewQueue[int](4)
		require.NoError(t, err)
		before := MemoryStats()
		p, err := foster.Start(ctx, fosterArg{2, lock, pids})
		require.NoError(t, err)
		var line []int
		for range 3 {
			pid, err := pids.Get(ctx)
			require.NoError(t, err)
			line = append(line, pid)
		}
		require.Greater(t, MemoryStats().Bytes, before.Bytes+3*100<<12)
		// In any order: the owner first, or its undertaker, or that one's undertaker.
		for i := range line {
			killProcessIfAny(line[(i+n)%len(line)])
			for range n * 20 {
				spin.Pause(1)
			}
		}
		<-p.Done()
		require.ErrorIs(t, lock.Lock(ctx), ErrOwnerDied)
		eventually(t, func() bool { return MemoryStats() == before }, "an arena as full as before")
		require.NoError(t, lock.Free())
		require.NoError(t, pids.Free())
		require.Zero(t, inUse())
	}
}

// killProcessIfAny kills a process that may be gone already, by its parent's end.
func killProcessIfAny(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

func TestWithRepairRepairsOnceAndGoesOn(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	owner := s.hire(t)
	owner.performs([]string{"lock"}, false)
	owner.die()

	failed := fmt.Errorf("not yet: %w", ErrOwnerDied) // of another lock
	never := func() error { t.Error("it must not get so far"); return nil }
	require.ErrorContains(t, s.Mutex.WithRepair(ctx, func() error { return failed }, never), "not yet")
	require.ErrorIs(t, s.Mutex.With(ctx, never), ErrOwnerDied, "it stays so")

	repairs, done := 0, 0 // the lock guards them
	repair := func() error { repairs++; require.True(t, s.Mutex.Locked()); return nil }
	work := func() error { done++; return nil }
	var all []<-chan error
	for range 4 {
		all = append(all, begin(func() error { return s.Mutex.WithRepair(ctx, repair, work) }))
	}
	for _, ended := range all {
		require.NoError(t, <-ended)
	}
	require.NoError(t, s.Mutex.WithRepair(ctx, repair, work))
	require.Equal(t, []int{1, 5}, []int{repairs, done})
	require.ErrorIs(t, s.Mutex.WithRepair(ctx, repair, func() error { return failed }), ErrOwnerDied)
	require.Equal(t, 1, repairs, "what the work returns says nothing of this lock")
	require.False(t, s.Mutex.Locked())
}
