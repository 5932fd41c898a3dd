package mp

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	whoami = Register("test.whoami", func(context.Context, int) (int, error) { return os.Getpid(), nil })

	large = Register("test.large", func(_ context.Context, in []byte) ([]byte, error) {
		return slices.Concat(in, in), nil
	})

	makesArray = Register("test.makesArray", func(_ context.Context, n int) (*Array[byte], error) {
		a, err := NewArray[byte](n)
		if err == nil && n > 0 {
			a.Set(n-1, 7)
		}
		return a, err
	})
)

func newPool(t *testing.T, workers int, opts ...PoolOption) *Pool {
	t.Helper()
	p, err := NewPool(t.Context(), workers, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

func TestAPoolMapsInOrder(t *testing.T) {
	p := newPool(t, 3)
	in := make([]int, 1000)
	want := make([]int, len(in))
	for i := range in {
		in[i], want[i] = i, i*i
	}
	out, err := square.Map(t.Context(), p, in)
	require.NoError(t, err)
	require.Equal(t, want, out)

	var seq []int
	for v, err := range square.MapSeq(t.Context(), p, slices.Values(in)) {
		require.NoError(t, err)
		seq = append(seq, v)
	}
	require.Equal(t, want, seq)

	var any []int
	for v, err := range square.MapUnordered(t.Context(), p, slices.Values(in)) {
		require.NoError(t, err)
		any = append(any, v)
	}
	require.ElementsMatch(t, want, any)

	out, err = square.Map(t.Context(), p, nil)
	require.NoError(t, err)
	require.Empty(t, out)
	require.NoError(t, p.Close())
	_, err = square.Call(t.Context(), p, 1)
	require.ErrorIs(t, err, ErrPoolClosed)
	require.NoError(t, p.Close())
}

func TestAWorkersDeathCostsItsTask(t *testing.T) {
	p := newPool(t, 2)
	for _, how := range []string{"exit", "kill", "fatal", "exit0"} {
		_, err := fails.Call(t.Context(), p, how)
		var died *WorkerDiedError
		require.ErrorAs(t, err, &died, how)
		require.Equal(t, "test.fails", died.Func)
		require.Equal(t, 1, died.Attempt)
		switch how {
		case "exit":
			require.Equal(t, 3, died.ExitCode)
		case "kill":
			require.Equal(t, syscall.SIGKILL, died.Signal)
		case "fatal":
			require.Contains(t, died.Stderr, "start_test.go")
		}
	}
	_, err := fails.Call(t.Context(), p, "panic")
	var panicked *PanicError
	require.ErrorAs(t, err, &panicked)
	n, err := square.Call(t.Context(), p, 3)
	require.NoError(t, err)
	require.Equal(t, 9, n)
	require.Equal(t, 2, p.Workers())
}

func TestAnIdleWorkerThatDiesIsReplaced(t *testing.T) {
	p := newPool(t, 1)
	before, err := whoami.Call(t.Context(), p, 0)
	require.NoError(t, err)
	killProcess(before)
	for after := before; after == before; {
		after, err = whoami.Call(t.Context(), p, 0)
		if died := new(WorkerDiedError); errors.As(err, &died) {
			after = before // it was given the task before its death was known
			continue
		}
		require.NoError(t, err)
	}
}

func TestACancelledCallReturnsAtOnce(t *testing.T) {
	p := newPool(t, 1, WithPoolGrace(20*time.Millisecond))
	for _, stubborn := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		f := waits.Go(ctx, p, stubborn)
		cancel()
		_, err := f.Get(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		n, err := square.Call(t.Context(), p, 5)
		require.NoError(t, err)
		require.Equal(t, 25, n)
	}
}

func TestStopFailsWhatIsPending(t *testing.T) {
	p := newPool(t, 2, WithPoolGrace(20*time.Millisecond))
	var all []*Future[string]
	for range 50 {
		all = append(all, waits.Go(t.Context(), p, true))
	}
	require.NoError(t, p.Stop())
	for _, f := range all {
		_, err := f.Get(t.Context())
		require.ErrorIs(t, err, ErrPoolClosed)
	}
	require.NoError(t, p.Stop())
}

func TestThePoolStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := NewPool(ctx, 2, WithPoolGrace(20*time.Millisecond))
	require.NoError(t, err)
	f := waits.Go(t.Context(), p, true)
	cancel()
	_, err = f.Get(t.Context())
	require.ErrorIs(t, err, ErrPoolClosed)
	require.NoError(t, p.Close())
}

func TestLargeArgumentsAndResults(t *testing.T) {
	p := newPool(t, 2)
	for _, n := range []int{0, 1, 2000, 2048, 100_000, 5 << 20} {
		in := make([]byte, n)
		for i := range in {
			in[i] = byte(i * 7)
		}
		out, err := large.Call(t.Context(), p, in)
		require.NoError(t, err)
		require.Equal(t, slices.Concat(in, in), out)
	}
}

func TestAResultMayBeAHandle(t *testing.T) {
	p := newPool(t, 2)
	for n := range 50 {
		a, err := makesArray.Call(t.Context(), p, 35_000*n)
		require.NoError(t, err)
		require.Equal(t, 35_000*n, a.Len())
		if n > 0 {
			require.Equal(t, byte(7), a.At(a.Len()-1))
		}
		require.NoError(t, a.Free())
		_, err = a.WireRef()
		require.ErrorIs(t, err, ErrClosed)
	}
	a, err := makesArray.Run(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, byte(7), a.At(99))
}

func TestBreakingOutOfAMapGivesUpTheRest(t *testing.T) {
	p := newPool(t, 2)
	pulled := 0
	in := func(yield func(int) bool) {
		for i := 0; ; i++ {
			pulled++
			if !yield(i) {
				return
			}
		}
	}
	for range square.MapUnordered(t.Context(), p, in, WithWindow(5)) {
		break
	}
	require.LessOrEqual(t, pulled, 6)
	for v, err := range square.MapSeq(t.Context(), p, in) {
		require.NoError(t, err)
		if v > 100 {
			break
		}
	}
	require.NoError(t, p.Close())
}

func TestAMapEndsWithTheFirstError(t *testing.T) {
	p := newPool(t, 2)
	_, err := fails.Map(t.Context(), p, []string{"", "", "error", "", ""})
	var remote *RemoteError
	require.ErrorAs(t, err, &remote)
	require.ErrorContains(t, err, "input 2")
}

func TestABadPoolIsRefused(t *testing.T) {
	_, err := NewPool(t.Context(), -1)
	require.ErrorContains(t, err, "-1 workers")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = NewPool(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
	_, err = square.Start(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
}
