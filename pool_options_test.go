package mp

import (
	"context"
	"errors"
	"math"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	// began is set by an initializer, in its own process.
	began atomic.Int64

	begins = Register("test.begins", func(_ context.Context, in beginsArg) (struct{}, error) {
		if in.Error {
			return struct{}{}, os.ErrPermission
		}
		if in.Count != nil {
			if n, err := Add(in.Count, 1); err != nil || n > int64(in.Good) {
				return struct{}{}, errors.Join(err, errors.New("no more of them"))
			}
		}
		if in.Exit {
			os.Exit(7)
		}
		if in.Panic {
			panic("no beginning")
		}
		began.Add(1)
		return struct{}{}, nil
	})
	hasBegun = Register("test.hasBegun", func(context.Context, int) (int64, error) { return began.Load(), nil })

	naps = Register("test.naps", func(ctx context.Context, d time.Duration) (int, error) {
		select {
		case <-time.After(d): // the time that a task takes, not a wait for anything
		case <-ctx.Done():
		}
		return os.Getpid(), context.Cause(ctx)
	})

	hoard [][]byte
	grows = Register("test.grows", func(_ context.Context, n int) (int, error) {
		b := make([]byte, n)
		for i := range b {
			b[i] = 1
		}
		hoard = append(hoard, b)
		return os.Getpid(), nil
	})
)

type beginsArg struct {
	Error, Exit, Panic bool
	Count              *Value[int64] // how many have begun
	Good               int           // how many of them may
}

func TestAnInitializerRunsOnceInEachWorker(t *testing.T) {
	count, err := NewValue[int64](0)
	require.NoError(t, err)
	p := newPool(t, 2, WithInitializer(begins, beginsArg{Count: count, Good: 10}))
	require.Equal(t, int64(2), count.Load(), "NewPool has waited for it")
	out, err := hasBegun.Map(t.Context(), p, make([]int, 50), WithChunk(1))
	require.NoError(t, err)
	for _, n := range out {
		require.Equal(t, int64(1), n)
	}
	_, err = fails.Call(t.Context(), p, "kill")
	require.Error(t, err)
	eventually(t, func() bool { return count.Load() == 3 }, "an initialized replacement")
	require.NoError(t, count.Free())
}

func TestAnInitializersFailureIsTheConstructorsError(t *testing.T) {
	_, err := NewPool(t.Context(), 2, WithInitializer(begins, beginsArg{Error: true}))
	require.ErrorIs(t, err, os.ErrPermission)
	_, err = NewPool(t.Context(), 2, WithInitializer(begins, beginsArg{Panic: true}))
	var panicked *PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "no beginning", panicked.Value)
	_, err = NewPool(t.Context(), 2, WithInitializer(begins, beginsArg{Exit: true}))
	var exit *ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 7, exit.Code)
	_, err = NewPool(t.Context(), 2, WithInitializer(late(), 1))
	require.ErrorIs(t, err, ErrNotRegistered)
}

// A worker begins to ignore Ctrl-C only when it runs.
func TestAWorkerThatIsInterruptedAtBirthIsReplaced(t *testing.T) {
	for died := 0; died < 3; {
		opened := make(chan struct{})
		go func() {
			for n := 0; n == 0; {
				select {
				case <-opened:
					return
				default:
				}
				for _, worker := range ActiveChildren() {
					_ = worker.Interrupt()
					n++
				}
			}
		}()
		p, err := NewPool(t.Context(), 1, WithWarmStart())
		require.NoError(t, err)
		close(opened)
		n, err := hasBegun.Call(t.Context(), p, 4)
		require.NoError(t, err)
		require.Zero(t, n)
		died += p.Stats().Died
		p.Stop()
	}
}

func TestAnInitializerThatFailsLaterEndsInACrashLoop(t *testing.T) {
	count, err := NewValue[int64](0)
	require.NoError(t, err)
	p := newPool(t, 1, WithInitializer(begins, beginsArg{Count: count, Good: 1}))
	_, err = fails.Call(t.Context(), p, "kill")
	require.Error(t, err)
	_, err = square.Call(t.Context(), p, 1)
	require.ErrorIs(t, err, ErrCrashLoop)
	require.ErrorContains(t, err, "no more of them")
	require.ErrorIs(t, p.Wait(t.Context()), ErrCrashLoop)
	require.Less(t, count.Load(), int64(10), "no storm")
}

func TestPoolOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, o := range []PoolOption{
		WithRetries(-1), WithTaskTimeout(-1), WithMaxTasks(-1), WithMaxAge(-1), WithMaxGrowth(-1), WithIdleTimeout(-1), WithSpin(-1),
	} {
		_, err := NewPool(t.Context(), 1, o)
		require.ErrorContains(t, err, "-1")
		_, err = NewLocalPool(t.Context(), 1, o)
		require.ErrorContains(t, err, "-1")
	}
	p := newPool(t, 1)
	for _, o := range []MapOption{WithChunk(-1), WithWindow(-1)} {
		_, err := square.Map(t.Context(), p, []int{1}, o)
		require.ErrorContains(t, err, "-1")
		for _, err := range square.MapSeq(t.Context(), p, nil, o) {
			require.ErrorContains(t, err, "-1")
		}
		for _, err := range square.MapUnordered(t.Context(), p, nil, o) {
			require.ErrorContains(t, err, "-1")
		}
	}
	require.ErrorContains(t, p.Resize(-1), "-1 workers")
	for _, o := range []MapOption{WithChunk(math.MaxInt), WithWindow(math.MaxInt)} {
		_, err := square.Map(t.Context(), p, []int{1}, o)
		require.ErrorIs(t, err, ErrTooLarge)
		for _, err := range square.MapSeq(t.Context(), p, nil, o) {
			require.ErrorIs(t, err, ErrTooLarge)
		}
	}
	_, err := NewPool(t.Context(), math.MaxInt)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = NewLocalPool(t.Context(), math.MaxInt)
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorIs(t, p.Resize(math.MaxInt), ErrTooLarge)
	require.Equal(t, 1, p.Workers())
}

func TestAWarmPoolIsReady(t *testing.T) {
	p := newPool(t, 2, WithWarmStart())
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		require.True(t, w.up)
	}
	require.Len(t, p.workers, 2)
}

func TestAWorkerIsReplacedAfterItsTasks(t *testing.T) {
	p := newPool(t, 2, WithMaxTasks(5))
	pids := make(map[int]int)
	out, err := whoami.Map(t.Context(), p, make([]int, 50), WithChunk(1))
	require.NoError(t, err)
	for _, pid := range out {
		pids[pid]++
	}
	require.GreaterOrEqual(t, len(pids), 10)
	for _, n := range pids {
		require.LessOrEqual(t, n, 5)
	}
	require.Zero(t, p.Stats().Died)
	require.NoError(t, p.Close())
}

func TestAWorkerIsReplacedWhenItIsTooOld(t *testing.T) {
	p := newPool(t, 1, WithMaxAge(50*time.Millisecond))
	first, err := whoami.Call(t.Context(), p, 0)
	require.NoError(t, err)
	eventually(t, func() bool {
		pid, err := whoami.Call(t.Context(), p, 0)
		require.NoError(t, err, "its age costs no task")
		return pid != first
	}, "another worker")
	require.Zero(t, p.Stats().Died)
}

func TestAWorkerIsReplacedWhenItHasGrown(t *testing.T) {
	p := newPool(t, 1, WithMaxGrowth(20<<20))
	first, err := grows.Call(t.Context(), p, 1)
	require.NoError(t, err)
	_, err = grows.Call(t.Context(), p, 64<<20)
	require.NoError(t, err)
	eventually(t, func() bool {
		pid, err := whoami.Call(t.Context(), p, 0)
		require.NoError(t, err, "its growth costs no task")
		return pid != first
	}, "another worker")
	require.Zero(t, p.Stats().Died)
}

func TestAnIdleWorkerEndsAndComesBack(t *testing.T) {
	p := newPool(t, 2, WithIdleTimeout(30*time.Millisecond))
	for range 2 {
		n, err := square.Call(t.Context(), p, 3)
		require.NoError(t, err)
		require.Equal(t, 9, n)
		eventually(t, func() bool { return p.Stats().Workers == 0 }, "no worker")
	}
	out, err := naps.Map(t.Context(), p, []time.Duration{100 * time.Millisecond, 100 * time.Millisecond}, WithChunk(1))
	require.NoError(t, err)
	require.Len(t, out, 2)
	require.NoError(t, p.Close())
	require.Zero(t, p.Stats().Died)
}

func TestAPoolIsResized(t *testing.T) {
	p := newPool(t, 1)
	require.NoError(t, p.Resize(4))
	require.Equal(t, 4, p.Workers())
	eventually(t, func() bool { return p.Stats().Workers == 4 }, "four workers")
	in := make([]int, 1000)
	_, err := square.Map(t.Context(), p, in, WithChunk(1))
	require.NoError(t, err)
	require.NoError(t, p.Resize(2))
	_, err = square.Map(t.Context(), p, in, WithChunk(1))
	require.NoError(t, err)
	eventually(t, func() bool { return p.Stats().Workers == 2 }, "two workers")
	require.NoError(t, p.Resize(2))
	require.Zero(t, p.Stats().Died)
	require.NoError(t, p.Close())
	require.ErrorIs(t, p.Resize(3), ErrPoolClosed)
}

func TestACallIsMadeAgainAfterAWorkersDeath(t *testing.T) {
	tries, err := NewValue[int64](0)
	require.NoError(t, err)
	p := newPool(t, 2, WithRetries(2))
	n, err := diesAtFirst.Call(t.Context(), p, poolDiesArg{tries, 2})
	require.NoError(t, err)
	require.Equal(t, int64(3), n)
	require.Equal(t, int64(3), tries.Load())

	require.NoError(t, tries.Store(0))
	_, err = diesAtFirst.Call(t.Context(), p, poolDiesArg{tries, 100})
	var died *WorkerDiedError
	require.ErrorAs(t, err, &died)
	require.Equal(t, 3, died.Attempt)
	require.Equal(t, int64(3), tries.Load())

	_, err = fails.Call(t.Context(), p, "panic")
	require.ErrorAs(t, err, new(*PanicError))
	require.NoError(t, tries.Free())
}

// diesAtFirst dies so often before it returns.
var diesAtFirst = Register("test.diesAtFirst", func(_ context.Context, in poolDiesArg) (int64, error) {
	n, err := Add(in.Tries, 1)
	if err == nil && n <= int64(in.Deaths) {
		killProcess(os.Getpid())
		select {}
	}
	return n, err
})

type poolDiesArg struct {
	Tries  *Value[int64]
	Deaths int
}

func TestACallThatTakesTooLongFails(t *testing.T) {
	const limit = 2 * time.Second // also for the start of the one who comes after
	docile := newPool(t, 1, WithTaskTimeout(limit), WithPoolGrace(hangs))
	stubborn := newPool(t, 1, WithTaskTimeout(limit), WithPoolGrace(20*time.Millisecond))
	for _, p := range []*Pool{docile, stubborn} {
		f := waits.Go(t.Context(), p, p == stubborn)
		after := square.Go(t.Context(), p, 4)
		_, err := f.Get(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		n, err := after.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 16, n)
	}
	require.Zero(t, docile.Stats().Died)
	require.Equal(t, 1, stubborn.Stats().Died, "only the stubborn one had to be killed")
}

func TestAFutureTellsHowItIs(t *testing.T) {
	p := newPool(t, 1, WithPoolGrace(20*time.Millisecond))
	f := waits.Go(t.Context(), p, false)
	require.NoError(t, f.Err())
	select {
	case <-f.Done():
		t.Fatal("it is not done")
	default:
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := f.Get(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	f.Cancel()
	<-f.Done()
	require.ErrorIs(t, f.Err(), context.Canceled)
	_, err = f.Get(t.Context())
	require.ErrorIs(t, err, context.Canceled)

	g := square.Go(t.Context(), p, 7)
	<-g.Done()
	require.NoError(t, g.Err())
	g.Cancel()
	for range 2 {
		n, err := g.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 49, n)
	}
}
