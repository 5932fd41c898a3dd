package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/shm"
)

// A wait is one way to wait for what this process has.
type wait struct {
	name   string
	act    string
	asleep func(s *stage) bool // somebody waits

	// block makes others wait. What it returns lets one of them go on, or all.
	block func(ctx context.Context, s *stage) (give func() error, err error)

	// undo is what the actor does who went on, so that all is as before.
	undo string
}

var allWaits = []wait{
	{
		name: "Mutex", act: "lock", undo: "unlock",
		asleep: slept(func(s *stage) *shm.Object { return s.Mutex.obj }, 0),
		block: func(ctx context.Context, s *stage) (func() error, error) {
			return s.Mutex.Unlock, s.Mutex.Lock(ctx)
		},
	},
	{
		name: "RWMutex, for writing while somebody writes", act: "write", undo: "end writing",
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 0),
		block: func(ctx context.Context, s *stage) (func() error, error) {
			return s.RW.Unlock, s.RW.Lock(ctx)
		},
	},
	{
		// The first who waits is the writer among writers, and keeps the second out.
		name: writingWhileReading, act: "write", undo: "end writing",
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 12),
		block: func(ctx context.Context, s *stage) (func() error, error) {
			return s.RW.RUnlock, s.RW.RLock(ctx)
		},
	},
	{
		name: "RWMutex, for reading", act: "read", undo: "end reading",
		asleep: slept(func(s *stage) *shm.Object { return s.RW.obj }, 0),
		block: func(ctx context.Context, s *stage) (func() error, error) {
			return s.RW.Unlock, s.RW.Lock(ctx)
		},
	},
	{
		name: "RLock", act: "hold", undo: "let go",
		asleep: slept(func(s *stage) *shm.Object { return s.RLock.obj }, 0),
		block: func(ctx context.Context, s *stage) (func() error, error) {
			h := s.RLock.Holder()
			return h.Unlock, h.Lock(ctx)
		},
	},
	{
		name: "Semaphore", act: "acquire",
		asleep: slept(func(s *stage) *shm.Object { return s.Sem.obj }, 0),
		block: func(_ context.Context, s *stage) (func() error, error) {
			return func() error { return s.Sem.Release(1) }, nil
		},
	},
	{
		name: "BoundedSemaphore", act: "take", undo: "give back",
		asleep: slept(func(s *stage) *shm.Object { return s.Bounded.obj }, 0),
		block: func(ctx context.Context, s *stage) (func() error, error) {
			return s.Bounded.Release, s.Bounded.Acquire(ctx)
		},
	},
	{
		name: "Event", act: "await", undo: "clear",
		asleep: slept(func(s *stage) *shm.Object { return s.Event.obj }, 0),
		block:  func(_ context.Context, s *stage) (func() error, error) { return s.Event.Set, nil },
	},
	{
		name: "Cond", act: "wait",
		asleep: func(s *stage) bool { return s.Cond.Waiting() > 0 },
		block: func(ctx context.Context, s *stage) (func() error, error) {
			return func() error {
				return s.Cond.Mutex().With(ctx, func() error { return s.Cond.Notify(1) })
			}, nil
		},
	},
	{
		name: "Once", act: "do once",
		asleep: slept(func(s *stage) *shm.Object { return s.Once.obj }, 0),
		block: func(ctx context.Context, s *stage) (func() error, error) {
			inside, leave, failure := make(chan struct{}), make(chan struct{}), errors.New("it fails")
			done := begin(func() error {
				return s.Once.Do(ctx, func() error { close(inside); <-leave; return failure })
			})
			<-inside
			return func() error {
				close(leave)
				if err := <-done; !errors.Is(err, failure) {
					return fmt.Errorf("not its own error: %w", err)
				}
				return nil
			}, nil
		},
	},
}

const writingWhileReading = "RWMutex, for writing while somebody reads"

// asleepInKernel reports how many threads of a process sleep in futex_waitv until
// they are woken: those of its guardian have a deadline. Where there is no
// futex_waitv, nobody can tell: they sleep and wake as all threads do.
func asleepInKernel(t testing.TB, pid int) (n int) {
	if futex.Polling() {
		return 2
	}
	for _, s := range futexSleepers(t, pid) {
		if s.deadline == 0 {
			n++
		}
	}
	return n
}

// A futexSleeper is a thread that sleeps in futex_waitv.
type futexSleeper struct {
	task     string // its folder in /proc
	deadline uint64 // the address of it, 0 if there is none
}

func futexSleepers(t testing.TB, pid int) (all []futexSleeper) {
	t.Helper()
	const futexWaitV = "449" // include/uapi/asm-generic/unistd.h
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, file := range files {
		b, err := os.ReadFile(file)
		if os.IsPermission(err) {
			t.Skip("this machine does not tell what threads do: " + err.Error())
		}
		// 449 0x7f… 0x3 0x0 0x0 0x1 0x0 0x7ffd… 0x7f…: number, six arguments, two registers
		f := strings.Fields(string(b))
		if len(f) < 5 || f[0] != futexWaitV {
			continue
		}
		deadline, err := strconv.ParseUint(strings.TrimPrefix(f[4], "0x"), 16, 64)
		require.NoError(t, err)
		all = append(all, futexSleeper{filepath.Dir(file), deadline})
	}
	return all
}

// goesToSleep tells the actor to wait and returns when it does so in the kernel, as
// it does for its next order.
func (w wait) goesToSleep(a *actor, s *stage) {
	a.t.Helper()
	before := s.Cond.Waiting()
	a.tell(w.act)
	eventually(a.t, func() bool {
		return w.asleep(s) && (w.name != "Cond" || s.Cond.Waiting() > before) && asleepInKernel(a.t, a.PID()) > 1
	}, "an actor that sleeps")
}

// stop sends SIGSTOP to the actor and returns when it has stopped.
func (a *actor) stop() {
	a.t.Helper()
	require.NoError(a.t, a.Signal(syscall.SIGSTOP))
	eventually(a.t, func() bool { return stopped(a.PID()) }, "a stopped actor")
}

// blocks makes others wait until give.
func (w wait) blocks(t *testing.T, s *stage) (give func()) {
	t.Helper()
	f, err := w.block(within(t), s)
	require.NoError(t, err)
	return func() { t.Helper(); require.NoError(t, f()) }
}

// ends waits until the actor has waited, and has it undo what it has now.
func (w wait) ends(a *actor) {
	a.t.Helper()
	a.hear(w.act, nil)
	if w.undo != "" {
		a.does(w.undo)
	}
}

// What this process gives goes to the one who is left.
func TestNobodyNoticesTheDeathOfAWaiter(t *testing.T) {
	for _, w := range allWaits {
		t.Run(w.name, func(t *testing.T) {
			s := newStage(t)
			victim, other := s.hire(t), s.hire(t)
			give := w.blocks(t, s)
			w.goesToSleep(victim, s)
			w.goesToSleep(other, s)
			victim.die()
			require.Zero(t, other.said.Len(), "nothing has been given yet")
			give()
			w.ends(other)
			if s.Once.Done() {
				return
			}
			give = w.blocks(t, s) // the dead one has left no trace
			w.goesToSleep(other, s)
			give()
			w.ends(other)
		})
	}
}

// The wake-up goes to the one who has slept longest. That one is stopped, so that
// it cannot use it, and is killed then.
func TestAWakeUpIsNotLostWithTheOneItWentTo(t *testing.T) {
	for _, w := range allWaits {
		t.Run(w.name, func(t *testing.T) {
			s := newStage(t)
			victim, other := s.hire(t), s.hire(t)
			give := w.blocks(t, s)
			w.goesToSleep(victim, s)
			w.goesToSleep(other, s)
			victim.stop()
			give()
			victim.die()
			w.ends(other)
		})
	}
}

// The killed one is the only one who waits; what it was given is not lost.
func TestWhatAKilledWaiterDidNotTakeIsThereForTheNext(t *testing.T) {
	for _, w := range allWaits {
		if w.name == "Cond" {
			continue // what nobody waits for is not remembered
		}
		t.Run(w.name, func(t *testing.T) {
			s := newStage(t)
			victim, other := s.hire(t), s.hire(t)
			give := w.blocks(t, s)
			w.goesToSleep(victim, s)
			victim.stop()
			give()
			victim.die()
			other.tell(w.act)
			w.ends(other)
		})
	}
}

func TestAStoppedWaiterHoldsNobodyUp(t *testing.T) {
	for _, w := range allWaits {
		if w.name == writingWhileReading {
			continue // the stopped one is the writer already, it only waits for readers to leave
		}
		t.Run(w.name, func(t *testing.T) {
			s := newStage(t)
			victim, other := s.hire(t), s.hire(t)
			give := w.blocks(t, s)
			w.goesToSleep(victim, s)
			victim.stop()
			give()
			if w.name == "Cond" { // that notification is the stopped one's
				w.goesToSleep(other, s)
				give()
			} else {
				other.tell(w.act)
			}
			other.hear(w.act, nil)
			if w.name == "Semaphore" {
				give() // the other one has what there was
			}
			if w.undo != "" && w.name != "Event" {
				other.does(w.undo)
			}
			require.NoError(t, victim.Signal(syscall.SIGCONT))
			w.ends(victim)
		})
	}
}
