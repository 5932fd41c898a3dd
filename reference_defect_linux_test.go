package mp

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
)

// These tests are about what Python's multiprocessing is known to get wrong in
// processes; python/cpython issues are named by their numbers.

var fillsQueue = Register("test.fillsQueue", func(ctx context.Context, q *Queue[[]byte]) (int, error) {
	for n := range q.Cap() {
		if err := q.Put(ctx, make([]byte, 1<<20)); err != nil {
			return n, err
		}
	}
	return q.Cap(), nil
})

// gh-78321: a child that has put something cannot end before somebody gets it.
func TestReferenceDefectJoinBeforeDraining(t *testing.T) {
	q, err := NewQueue[[]byte](8)
	require.NoError(t, err)
	n, err := fillsQueue.Run(t.Context(), q)
	require.NoError(t, err)
	for range n {
		b, err := q.TryGet()
		require.NoError(t, err)
		require.Len(t, b, 1<<20)
	}
}

// gh-84559: starting processes from a program with many threads deadlocks.
func TestReferenceDefectStartingFromManyThreads(t *testing.T) {
	requireNoLeak(t)
	const goroutines, each = 16, 4
	var all sync.WaitGroup
	errs := make(chan error, goroutines*each)
	for g := range goroutines {
		all.Go(func() {
			for n := range each {
				got, err := square.Run(t.Context(), g*n)
				if err == nil && got != g*n*g*n {
					err = fmt.Errorf("%d² is %d", g*n, got)
				}
				errs <- err
			}
		})
	}
	all.Wait()
	for range goroutines * each {
		require.NoError(t, <-errs)
	}
}

// gh-130895: after join, is_alive is true and exitcode None, with several threads.
func TestReferenceDefectManyWaitForOneProcess(t *testing.T) {
	for range 10 {
		p, err := fails.Start(t.Context(), "exit")
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				err := p.Wait(t.Context())
				code, exited := p.ExitCode()
				if err == nil || p.Alive() || !exited || code != 3 {
					t.Errorf("Wait %v, then alive %t, code %d", err, p.Alive(), code)
				}
			})
		}
		all.Wait()
	}
}

func init() {
	// Somebody in this program waits for all children there are.
	addTrial("statusStolen", func(t *trial) {
		Init()
		stolen := 0
		for range 20 {
			lock, err := NewMutex()
			require.NoError(t, err)
			p, err := diesLocked.Start(t.ctx, lock)
			require.NoError(t, err)
			pid, err := syscall.Wait4(-1, nil, 0, nil)
			ended := p.Wait(t.ctx)
			if err == nil {
				stolen++
				require.Equal(t, p.PID(), pid)
				require.ErrorIs(t, ended, syscall.ECHILD, "how it ended is lost, but not that it ended")
			} else { // the library was faster
				require.ErrorIs(t, err, syscall.ECHILD)
				require.Error(t, ended)
			}
			require.False(t, p.Alive())
			require.ErrorIs(t, lock.Lock(t.ctx), ErrOwnerDied)
			require.Empty(t, ActiveChildren())
		}
		t.Say(fmt.Sprintf("%d of 20 stolen", stolen))
	})
}

// gh-92881: somebody else's waitpid takes the status.
func TestReferenceDefectStatusIsStolen(t *testing.T) { try(t, "statusStolen") }

// gh-142249: a function that the child does not have. It is an error that says so.
func TestReferenceDefectUnknownFunction(t *testing.T) {
	_, err := late().Run(t.Context(), 1)
	require.ErrorIs(t, err, ErrNotRegistered)
	p, err := late().Start(t.Context(), 1)
	require.NoError(t, err)
	require.ErrorIs(t, p.Wait(t.Context()), ErrNotRegistered)
	code, _ := p.ExitCode()
	require.Equal(t, 1, code)
}

// gh-79492: an exception that cannot be unpickled. Errors are data.
func TestReferenceDefectResultThatCannotBeRead(t *testing.T) {
	for _, fault := range []string{"error", "panic"} {
		_, err := returnsUnreadable.Run(t.Context(), fault)
		require.ErrorContains(t, err, `the result of "test.returnsUnreadable"`)
	}
}

// An unreadable is a result that arrives with a fault.
type unreadable struct{ Fault string }

func (u unreadable) MarshalCBOR() ([]byte, error) { return append([]byte{0x65}, u.Fault...), nil }

func (u *unreadable) UnmarshalCBOR(b []byte) error { return faults[string(b[1:])]() }

var returnsUnreadable = Register("test.returnsUnreadable", func(_ context.Context, fault string) (unreadable, error) {
	return unreadable{fault}, nil
})

// gh-88887: zombies. Of children that nobody waits for, too.
func TestReferenceDefectNoZombies(t *testing.T) {
	for range 10 {
		_, err := square.Start(t.Context(), 3)
		require.NoError(t, err)
	}
	eventually(t, func() bool { return len(childPIDs()) == 0 }, "no child, dead or alive")
}

// A stopped process is waited for, by everybody, whatever it holds; and its end, when
// it goes on, is the end it would have had.
func TestAStoppedProcessIsNotGone(t *testing.T) {
	for _, how := range []string{"continued", "killed", "cancelled"} {
		ctx, cancel := context.WithCancel(t.Context())
		grace := hangs
		if how == "cancelled" {
			grace = DefaultGrace
		}
		p, err := waits.Start(ctx, false, WithGrace(grace))
		require.NoError(t, err)
		require.NoError(t, p.Signal(syscall.SIGSTOP))
		eventually(t, func() bool { return stopped(p.PID()) }, "a stopped process")
		require.True(t, p.Alive())
		select {
		case <-p.Done():
			t.Fatal("it is stopped, not gone")
		default:
		}
		var exit *ExitError
		switch how {
		case "continued":
			cancel()
			require.NoError(t, p.Signal(syscall.SIGCONT))
			require.ErrorIs(t, p.Wait(t.Context()), context.Canceled)
		case "killed":
			require.NoError(t, p.Kill())
			require.ErrorAs(t, p.Wait(t.Context()), &exit)
			require.Equal(t, syscall.SIGKILL, exit.Signal)
		case "cancelled":
			cancel() // the grace passes, as for any process that does not end
			require.ErrorAs(t, p.Wait(t.Context()), &exit)
			require.Equal(t, syscall.SIGKILL, exit.Signal)
		}
		cancel()
	}
}

// The faults of a process before it gets to its function.
func TestFaultsBeforeTheFunction(t *testing.T) {
	requireNoLeak(t)
	var exit *ExitError
	_, err := square.Run(t.Context(), 3, WithEnv(append(os.Environ(), "MP_TEST_DIE_EARLY=1")...))
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 4, exit.Code)
	require.Equal(t, "test.square", exit.Func)

	p, err := square.Start(t.Context(), 3, WithExecutable("/bin/sleep"), WithStdio(nil, nil, devNull(t)))
	require.NoError(t, err)
	err = p.Wait(t.Context())
	require.ErrorAs(t, err, &exit, "sleep does not know what mp:process-1 is")
	require.Equal(t, 1, exit.Code)

	for range 20 { // killed at some moment of its birth
		p, err := square.Start(t.Context(), 3)
		require.NoError(t, err)
		_ = p.Kill() // unless it is over
		if err := p.Wait(t.Context()); err != nil {
			require.ErrorAs(t, err, &exit)
			require.Equal(t, syscall.SIGKILL, exit.Signal)
			require.False(t, exit.OOM)
		}
	}
}

// A deadlock of all goroutines is not found by Go's runtime in a child, which always
// has a thread that waits for the deaths of others; its context ends it.
func TestADeadlockedProcessEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := waits.Start(ctx, true, WithGrace(1))
	require.NoError(t, err)
	cancel()
	require.Error(t, p.Wait(t.Context()))
	dead, err := sys.PidfdOpen(p.PID())
	require.ErrorIs(t, err, syscall.ESRCH, "%v", dead)
}
