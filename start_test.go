package mp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	fails = Register("test.fails", func(_ context.Context, what string) (int, error) {
		switch what {
		case "error":
			return 0, fmt.Errorf("no luck: %w", fs.ErrNotExist)
		case "panic":
			panic("alas")
		case "exit":
			os.Exit(3)
		case "exit0":
			os.Exit(0)
		case "nil":
			var p *int
			return *p, nil
		case "fatal":
			m := map[int]int{}
			go func() {
				for {
					m[1] = 1
				}
			}()
			for {
				m[1] = 2
			}
		case "kill":
			killProcess(os.Getpid())
			select {}
		}
		return 1, nil
	})

	waits = Register("test.waits", func(ctx context.Context, stubborn bool) (string, error) {
		<-ctx.Done()
		if stubborn {
			select {}
		}
		return "", context.Cause(ctx)
	})

	adds = Register("test.adds", func(ctx context.Context, in addArgs) (*Value[int64], error) {
		for range in.N {
			if _, err := Add(in.Counter, 1); err != nil {
				return nil, err
			}
			if err := in.Pair.Update(ctx, func(p *pair) { p.A++; p.B-- }); err != nil {
				return nil, err
			}
			if err := in.Lock.Lock(ctx); err != nil {
				return nil, err
			}
			in.Array.Set(0, in.Array.At(0)+1)
			if err := in.Lock.Unlock(); err != nil {
				return nil, err
			}
			AddAt(in.Array, 1, 1)
		}
		if err := in.Out.Put(ctx, in.N); err != nil {
			return nil, err
		}
		return NewValue[int64](int64(in.N))
	})
)

func killProcess(pid int) {
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		panic(err)
	}
}

// A function that runs itself is registered in an init function: its variable
// cannot be initialized by itself.
var parents *Func[int, []int]

func init() {
	parents = Register("test.parents", func(ctx context.Context, depth int) ([]int, error) {
		pids := []int{os.Getpid()}
		if depth == 0 {
			return pids, nil
		}
		more, err := parents.Run(ctx, depth-1)
		return append(pids, more...), err
	})
}

type pair struct{ A, B int64 }

type addArgs struct {
	N       int
	Counter *Value[int64]
	Pair    *Value[pair]
	Array   *Array[int32]
	Lock    *Mutex
	Out     *Queue[int]
}

func TestRunReturnsTheResultOfAnotherProcess(t *testing.T) {
	n, err := square.Run(t.Context(), 12)
	require.NoError(t, err)
	require.Equal(t, 144, n)
}

func TestRunTellsHowTheFunctionFailed(t *testing.T) {
	ctx := t.Context()
	_, err := fails.Run(ctx, "error")
	var remote *RemoteError
	require.ErrorAs(t, err, &remote)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Contains(t, err.Error(), "no luck")

	_, err = fails.Run(ctx, "panic")
	var p *PanicError
	require.ErrorAs(t, err, &p)
	require.Equal(t, "alas", p.Value)
	require.Contains(t, p.Stack, "start_test.go")

	_, err = fails.Run(ctx, "nil")
	require.ErrorAs(t, err, &p)
	require.Contains(t, p.Value, "nil pointer")

	var exit *ExitError
	_, err = fails.Run(ctx, "exit")
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.Code)
	_, err = fails.Run(ctx, "exit0")
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 0, exit.Code)
	_, err = fails.Run(ctx, "kill")
	require.ErrorAs(t, err, &exit)
	require.Equal(t, syscall.SIGKILL, exit.Signal)
	require.Equal(t, -9, exit.Code)
	_, err = fails.Run(ctx, "fatal")
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.Code)
}

func TestTheContextEndsAndThenTheProcess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := waits.Start(ctx, false, WithGrace(hangs))
	require.NoError(t, err)
	require.True(t, p.Alive())
	cancel()
	err = p.Wait(t.Context())
	require.ErrorIs(t, err, context.Canceled)

	ctx, cancel = context.WithCancel(t.Context())
	p, err = waits.Start(ctx, true, WithGrace(10*time.Millisecond))
	require.NoError(t, err)
	cancel()
	err = p.Wait(t.Context())
	var exit *ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, syscall.SIGKILL, exit.Signal)
}

var ends = RegisterTask("test.ends", func(_ context.Context, code int) error {
	if code == 1 {
		return fs.ErrNotExist
	}
	os.Exit(code)
	return nil
})

func TestWaitAllTellsOfEachThatFailed(t *testing.T) {
	start := func(ctx context.Context, codes ...int) (all []*Process) {
		for _, code := range codes {
			p, err := ends.Start(ctx, code)
			require.NoError(t, err)
			all = append(all, p)
		}
		return all
	}
	require.NoError(t, WaitAll(t.Context()))
	all := start(t.Context(), 1, 3, 1)
	err := WaitAll(t.Context(), all...)
	require.ErrorIs(t, err, fs.ErrNotExist)
	var exit *ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.Code)
	for _, p := range all {
		require.False(t, p.Alive())
		require.ErrorIs(t, err, p.Wait(t.Context()))
	}

	stays, err := waits.Start(t.Context(), false)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, WaitAll(ctx, stays, all[0]), context.Canceled)
	require.True(t, stays.Alive())
	require.NoError(t, stays.Kill())
	require.Error(t, WaitAll(t.Context(), stays))
}

func TestATaskHasNoResult(t *testing.T) {
	_, err := ends.Run(t.Context(), 1)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.PanicsWithValue(t, `mp: RegisterTask("test.nothing") of a nil function`, func() {
		RegisterTask[int]("test.nothing", nil)
	})
}

func TestChildrenHaveChildren(t *testing.T) {
	pids, err := parents.Run(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, pids, 4)
}

func TestObjectsAreTheSameInAllProcesses(t *testing.T) {
	ctx := t.Context()
	counter, err := NewValue[int64](5)
	require.NoError(t, err)
	pairs, err := NewValue(pair{1, 1})
	require.NoError(t, err)
	array, err := NewArray[int32](10)
	require.NoError(t, err)
	lock, err := NewMutex()
	require.NoError(t, err)
	out, err := NewQueue[int](4)
	require.NoError(t, err)
	const n, procs = 500, 3
	futures := make(chan error, procs)
	for range procs {
		go func() {
			v, err := adds.Run(ctx, addArgs{n, counter, pairs, array, lock, out})
			if err == nil && v.Load() != n {
				err = errors.New("another value came back")
			}
			futures <- err
		}()
	}
	for range procs {
		require.NoError(t, <-futures)
		got, err := out.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
	require.Equal(t, int64(5+n*procs), counter.Load())
	require.Equal(t, pair{1 + n*procs, 1 - n*procs}, pairs.Load())
	require.Equal(t, int32(n*procs), array.At(0))
	require.Equal(t, int32(n*procs), array.At(1))
}
