package mp

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// Descriptors, mappings, children and goroutines are counted; the arena too.
func requireNoLeak(t *testing.T) {
	t.Helper()
	warmUp(t)
	requireEmpty(t)
	testkit.LeakCheck(t)
	t.Cleanup(func() { requireEmpty(t) })
}

func TestProcessesLeaveNothingBehind(t *testing.T) {
	requireNoLeak(t)
	ctx := t.Context()
	for range 5 {
		_, err := square.Run(ctx, 3)
		require.NoError(t, err)
		for _, how := range []string{"error", "panic", "exit", "kill", "exit0"} {
			_, err := fails.Run(ctx, how)
			require.Error(t, err)
		}
		cancelled, cancel := context.WithCancel(ctx)
		p, err := waits.Start(cancelled, true, WithGrace(time.Millisecond))
		require.NoError(t, err)
		cancel()
		require.Error(t, p.Wait(ctx))
		_, err = square.Run(ctx, 3, WithExecutable("/nonexistent/program"))
		require.Error(t, err)
		_, err = late().Run(ctx, 3)
		require.ErrorIs(t, err, ErrNotRegistered)
	}
	_, err := parents.Run(ctx, 2)
	require.NoError(t, err)
}

func TestPoolsLeaveNothingBehind(t *testing.T) {
	requireNoLeak(t)
	ctx := t.Context()
	for n := range 4 {
		p, err := NewPool(ctx, 2, WithPoolGrace(10*time.Millisecond))
		require.NoError(t, err)
		_, err = square.Map(ctx, p, slices.Repeat([]int{3}, 100))
		require.NoError(t, err)
		_, err = fails.Call(ctx, p, "kill")
		require.Error(t, err)
		_, err = large.Call(ctx, p, make([]byte, 100_000))
		require.NoError(t, err)
		a, err := makesArray.Call(ctx, p, 100_000)
		require.NoError(t, err)
		require.NoError(t, a.Free())
		cancelled, cancel := context.WithCancel(ctx)
		f := waits.Go(cancelled, p, true)
		cancel()
		_, err = f.Get(ctx)
		require.ErrorIs(t, err, context.Canceled)
		for range square.MapSeq(ctx, p, slices.Values(slices.Repeat([]int{3}, 100))) {
			break
		}
		if n%2 == 0 {
			require.NoError(t, p.Close())
			continue
		}
		waits.Go(ctx, p, true)
		require.NoError(t, p.Stop())
	}
}

func TestObjectsLeaveNothingBehind(t *testing.T) {
	requireNoLeak(t)
	for n := range 50 {
		c := newCargo(t)
		require.NoError(t, c.touch(t.Context(), "me"))
		s := newSyncObjects(t)
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		require.ErrorIs(t, s.Event.Wait(short), context.DeadlineExceeded)
		cancel()
		if n%2 == 0 { // the others are the garbage collector's
			c.free(t)
			giveBack(t, s.all())
		}
	}
}

func TestACrashLoopEndsInAnErrorAndLeavesNothingBehind(t *testing.T) {
	requireNoLeak(t)
	p, err := NewPool(t.Context(), 2, WithPoolEnv("MP_TEST_DIE_EARLY=1"))
	require.NoError(t, err)
	for range 20 {
		_, err = square.Call(t.Context(), p, 3)
		require.Error(t, err)
		if errors.Is(err, ErrCrashLoop) {
			break
		}
		var died *WorkerDiedError
		require.ErrorAs(t, err, &died)
		require.Equal(t, 4, died.ExitCode)
	}
	require.ErrorIs(t, err, ErrCrashLoop)
	require.ErrorIs(t, p.Close(), ErrCrashLoop)
	require.Less(t, p.Stats().Started, 30, "no storm")
}

func TestALocalPoolLeavesNothingBehind(t *testing.T) {
	requireNoLeak(t)
	p, err := NewLocalPool(t.Context(), 2, WithInitializer(begins, beginsArg{}))
	require.NoError(t, err)
	_, err = square.Map(t.Context(), p, make([]int, 100), WithChunk(1))
	require.NoError(t, err)
	waits.Go(t.Context(), p, false)
	require.NoError(t, p.Stop())
	_, err = NewLocalPool(t.Context(), 2, WithInitializer(begins, beginsArg{Error: true}))
	require.ErrorIs(t, err, os.ErrPermission)
	_, err = NewLocalPool(t.Context(), -2)
	require.ErrorContains(t, err, "-2 workers")
}

func TestPoolsThatFailAtOnceLeaveNothingBehind(t *testing.T) {
	requireNoLeak(t)
	for _, in := range []beginsArg{{Error: true}, {Panic: true}, {Exit: true}} {
		_, err := NewPool(t.Context(), 2, WithInitializer(begins, in))
		require.Error(t, err)
	}
	p, err := NewPool(t.Context(), 1, WithMaxTasks(3), WithIdleTimeout(time.Millisecond))
	require.NoError(t, err)
	require.NoError(t, p.Resize(3))
	_, err = square.Map(t.Context(), p, make([]int, 20), WithChunk(1))
	require.NoError(t, err)
	require.NoError(t, p.Resize(1))
	require.NoError(t, p.Close())
}
