package mp

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// A blocked is one way to wait in vain: another process has what it takes.
type blocked struct {
	name  string
	owner []string // what the other process does
	wait  func(ctx context.Context, s *stage) error

	act    string // of another process that waits, too
	asleep func(s *stage) bool
	inside bool // the owner is inside of the last of its orders

	// ready has the other process make room again, and after a wait that got what
	// it wanted, undo makes that good.
	ready []string
	undo  func(s *stage) error
}

var blockedWays = []blocked{
	{
		name: "Mutex.Lock", act: "lock", owner: []string{"lock"}, ready: []string{"unlock"},
		wait:   func(ctx context.Context, s *stage) error { return s.Mutex.Lock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Mutex.obj }, 0),
		undo:   func(s *stage) error { return s.Mutex.Unlock() },
	},
	{
		name: "Mutex.With", act: "lock", owner: []string{"lock"}, ready: []string{"unlock"},
		wait:   func(ctx context.Context, s *stage) error { return s.Mutex.With(ctx, nothing) },
		asleep: slept(func(s *stage) *shm.Object { return s.Mutex.obj }, 0),
	},
	{
		name: "RWMutex.Lock while another writes", act: "write", owner: []string{"write"}, ready: []string{"end writing"},
		wait:   func(ctx context.Context, s *stage) error { return s.RW.Lock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 0),
		undo:   func(s *stage) error { return s.RW.Unlock() },
	},
	{
		name: "RWMutex.Lock while another reads", act: "write", owner: []string{"read"}, ready: []string{"end reading"},
		wait:   func(ctx context.Context, s *stage) error { return s.RW.Lock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 12),
		undo:   func(s *stage) error { return s.RW.Unlock() },
	},
	{
		name: "RWMutex.RLock", act: "read", owner: []string{"write"}, ready: []string{"end writing"},
		wait:   func(ctx context.Context, s *stage) error { return s.RW.RLock(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 0),
		undo:   func(s *stage) error { return s.RW.RUnlock() },
	},
	{
		name: "Holder.Lock", act: "hold", owner: []string{"hold", "hold"}, ready: []string{"let go", "let go"},
		wait: func(ctx context.Context, s *stage) error {
			h := s.RLock.Holder()
			return then(h.Lock(ctx), h.Unlock)
		},
		asleep: slept(func(s *stage) *shm.Object { return s.RLock.obj }, 0),
	},
	{
		name: "Semaphore.Acquire", act: "acquire", ready: []string{"release"},
		wait:   func(ctx context.Context, s *stage) error { return s.Sem.Acquire(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Sem.obj }, 0),
	},
	{
		name: "BoundedSemaphore.Acquire", act: "take", owner: []string{"take"}, ready: []string{"give back"},
		wait:   func(ctx context.Context, s *stage) error { return s.Bounded.Acquire(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Bounded.obj }, 0),
		undo:   func(s *stage) error { return s.Bounded.Release() },
	},
	{
		name: "Event.Wait", act: "await", ready: []string{"set"},
		wait:   func(ctx context.Context, s *stage) error { return s.Event.Wait(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Event.obj }, 0),
		undo:   func(s *stage) error { return s.Event.Clear() },
	},
	{
		name: "Cond.Wait", act: "wait", ready: []string{"lock cond", "notify", "unlock cond"},
		wait:   waitForNews,
		asleep: func(s *stage) bool { return s.Cond.Waiting() == 1 },
	},
	{
		name: "Cond.WaitFor", act: "wait", ready: []string{"lock cond", "count", "notify all", "unlock cond"},
		wait: func(ctx context.Context, s *stage) error {
			counted := s.Array.At(0)
			return s.Cond.Mutex().With(context.Background(), func() error {
				return s.Cond.WaitFor(ctx, func() bool { return s.Array.At(0) > counted })
			})
		},
		asleep: func(s *stage) bool { return s.Cond.Waiting() == 1 },
	},
	{
		name: "Once.Do", act: "do once", owner: []string{"stay in once"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Once.Do(ctx, s.count(0)) },
		asleep: slept(func(s *stage) *shm.Object { return s.Once.obj }, 0),
	},
	{
		name: "Value.Update", act: "book", owner: []string{"stay in update"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Value.Update(ctx, (*ledger).book) },
		asleep: slept(func(s *stage) *shm.Object { return s.Value.obj }, 8),
	},
	{
		name: "Value.Update of one word", act: "raise small", owner: []string{"stay in small update"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Small.Update(ctx, func(n *int64) { *n++ }) },
		asleep: slept(func(s *stage) *shm.Object { return s.Small.obj }, 8),
	},
	{
		name: "Array.Update", act: "count", owner: []string{"stay in array"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Array.Update(ctx, raise) },
		asleep: slept(func(s *stage) *shm.Object { return s.Array.obj }, 0),
	},
}

// waitForNews waits for a notification. It checks that the lock is held in between,
// as it must be whatever Wait returns.
func waitForNews(ctx context.Context, s *stage) error {
	m := s.Cond.Mutex()
	if err := m.Lock(context.Background()); err != nil {
		return err
	}
	err := s.Cond.Wait(ctx)
	return errors.Join(err, m.Unlock())
}

// ends has the actor give it back.
func (b blocked) ends(a *actor) {
	a.t.Helper()
	if b.inside {
		a.leaves(b.owner[len(b.owner)-1])
	}
	for _, act := range b.ready {
		a.does(act)
	}
}

// A wait ends with its context, in one goroutine as in many, and leaves no trace:
// those who wait on get what there is.
func TestAContextEndsAWait(t *testing.T) {
	for _, b := range blockedWays {
		t.Run(b.name, func(t *testing.T) {
			s := newStage(t)
			a := s.hire(t)
			a.performs(b.owner, b.inside)
			ctx := within(t)

			// Alone, and as one of several of this process.
			for _, others := range []int{0, 3} {
				cancelled, cancel := context.WithCancel(ctx)
				var ends []<-chan error
				for range others + 1 {
					ends = append(ends, begin(func() error { return b.wait(cancelled, s) }))
				}
				eventually(t, func() bool { return b.asleep(s) || s.Cond.Waiting() > 0 }, "somebody who waits")
				cancel()
				for _, end := range ends {
					require.ErrorIs(t, <-end, context.Canceled)
				}
			}
			requireTimeout(t, func(ctx context.Context) error { return b.wait(ctx, s) })
			ended, cancel := context.WithDeadline(ctx, time.Now())
			defer cancel()
			require.ErrorIs(t, b.wait(ended, s), context.DeadlineExceeded)

			// One of them gives up, the other does not.
			cancelled, cancelOne := context.WithCancel(ctx)
			one := begin(func() error { return b.wait(cancelled, s) })
			eventually(t, func() bool { return b.asleep(s) }, "somebody who waits")
			other := begin(func() error { return b.wait(ctx, s) })
			if s.Cond.Waiting() > 0 {
				eventually(t, func() bool { return s.Cond.Waiting() == 2 }, "both")
			}
			cancelOne()
			require.ErrorIs(t, <-one, context.Canceled)
			require.Empty(t, other)
			b.ends(a)
			require.NoError(t, <-other)
			if b.undo != nil {
				require.NoError(t, b.undo(s))
			}
			require.Zero(t, s.Sem.Value())
			require.Equal(t, 1, s.Bounded.Value())
			require.Zero(t, s.Cond.Waiting())
			require.False(t, s.Cond.Mutex().Locked())
			require.False(t, s.Mutex.Locked())
			require.False(t, s.RW.Locked())
			require.Zero(t, s.RW.Readers())
			require.False(t, s.RLock.Locked())
		})
	}
}

// A party that gives up breaks the barrier for all.
func TestAContextEndsAWaitAtABarrier(t *testing.T) {
	s := newStage(t)
	ctx := within(t)
	b, err := NewBarrier(3)
	require.NoError(t, err)
	require.NoError(t, s.Barrier.Free())
	s.Barrier = b
	a := s.hire(t)
	a.tell("meet")
	eventually(t, func() bool { return b.Waiting() == 1 }, "a party")
	cancelled, cancel := context.WithCancel(ctx)
	one := begin(func() error { _, err := b.Wait(cancelled); return err })
	eventually(t, func() bool { return b.Waiting() == 2 }, "two parties")
	require.Empty(t, one)
	cancel()
	require.ErrorIs(t, <-one, context.Canceled)
	a.hear("meet", ErrBrokenBarrier)
	_, err = b.Wait(ctx)
	require.ErrorIs(t, err, ErrBrokenBarrier)
	require.NoError(t, b.Reset())

	_, err = b.Wait(cancelled)
	require.ErrorIs(t, err, context.Canceled, "it has ended before")
	require.False(t, b.Broken(), "it has never come")
	short, cancel := context.WithCancel(ctx)
	go func() {
		eventually(t, func() bool { return b.Waiting() == 1 }, "one who waits")
		cancel()
	}()
	_, err = b.Wait(short)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, b.Broken())
}

// Free ends the waits of this process only. The object goes on for the others, also
// for one who waits for another.
func TestFreeingAHandleConcernsThisProcessAlone(t *testing.T) {
	for _, b := range blockedWays {
		t.Run(b.name, func(t *testing.T) {
			t.Cleanup(func() { requireEmpty(t) })
			s := makeStage(t)
			owner, other := s.hire(t), s.hire(t)
			owner.performs(b.owner, b.inside)
			mine := begin(func() error { return b.wait(within(t), s) })
			eventually(t, func() bool { return b.asleep(s) }, "somebody who waits")
			other.tell(b.act)
			if b.act == "wait" {
				eventually(t, func() bool { return s.Cond.Waiting() == 2 }, "both")
			}
			giveBack(t, s.all())
			require.ErrorIs(t, <-mine, ErrClosed)
			b.ends(owner)
			other.hear(b.act, nil)
		})
	}
}
