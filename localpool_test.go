package mp

import (
	"context"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newLocalPool(t *testing.T, workers int, opts ...PoolOption) *Pool {
	t.Helper()
	p, err := NewLocalPool(t.Context(), workers, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

func TestALocalPoolWorksInThisProcess(t *testing.T) {
	p := newLocalPool(t, 3)
	pid, err := whoami.Call(t.Context(), p, 0)
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), pid)
	in := make([]int, 5000)
	for i := range in {
		in[i] = i
	}
	for _, o := range []MapOption{WithChunk(0), WithChunk(1), WithChunk(7), WithWindow(3)} {
		out, err := square.Map(t.Context(), p, in, o)
		require.NoError(t, err)
		for i, v := range out {
			require.Equal(t, i*i, v)
		}
		i := 0
		for v, err := range square.MapSeq(t.Context(), p, slices.Values(in), o) {
			require.NoError(t, err)
			require.Equal(t, i*i, v)
			i++
		}
		require.Equal(t, len(in), i)
	}
	big, err := large.Call(t.Context(), p, make([]byte, 100_000))
	require.NoError(t, err)
	require.Len(t, big, 200_000)
	a, err := makesArray.Call(t.Context(), p, 1000)
	require.NoError(t, err)
	require.Equal(t, byte(7), a.At(999))
	require.NoError(t, a.Free())
	require.NoError(t, p.Close())
	_, err = square.Call(t.Context(), p, 1)
	require.ErrorIs(t, err, ErrPoolClosed)
}

func TestALocalPoolsErrorsAreThoseOfAnother(t *testing.T) {
	p := newLocalPool(t, 1)
	_, err := fails.Call(t.Context(), p, "error")
	var remote *RemoteError
	require.ErrorAs(t, err, &remote)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = fails.Call(t.Context(), p, "panic")
	var panicked *PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "alas", panicked.Value)
	require.Contains(t, panicked.Stack, "start_test.go")
	_, err = goexits.Call(t.Context(), p, 0)
	require.ErrorContains(t, err, "Goexit")
	n, err := square.Call(t.Context(), p, 3)
	require.NoError(t, err)
	require.Equal(t, 9, n)
	require.Equal(t, 1, p.Stats().Started)
}

var goexits = Register("test.goexits", func(context.Context, int) (int, error) {
	runtime.Goexit()
	return 0, nil
})

// scribbles writes into its argument, which is no business of its caller's.
var scribbles = Register("test.scribbles", func(_ context.Context, in []int) ([]int, error) {
	in[0] = -1
	return in, nil
})

func TestALocalPoolSharesNoMemory(t *testing.T) {
	p := newLocalPool(t, 1)
	in := []int{1, 2, 3}
	out, err := scribbles.Call(t.Context(), p, in)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, in)
	out[1] = 7
	require.Equal(t, []int{1, 2, 3}, in)
}

func TestALocalPoolLeavesAStubbornCallAlone(t *testing.T) {
	p := newLocalPool(t, 1, WithPoolGrace(10*time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	locked.Store(&release)
	f := ignores.Go(ctx, p, 0)
	g := square.Go(t.Context(), p, 3)
	cancel()
	_, err := f.Get(t.Context())
	require.ErrorIs(t, err, context.Canceled)
	n, err := g.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, 9, n)
	close(release)
}

// locked is what ignores waits for, whatever becomes of its context.
var locked atomic.Pointer[chan struct{}]

var ignores = Register("test.ignores", func(context.Context, int) (int, error) {
	<-*locked.Load()
	return 0, nil
})
