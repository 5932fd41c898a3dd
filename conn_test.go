package mp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// aPipe is a pipe whose ends are closed at the end of the test, and then nothing may
// be left.
func aPipe[T any](t testing.TB, opts ...PipeOption) (*Conn[T], *Conn[T]) {
	t.Helper()
	requireEmpty(t)
	a, b, err := NewPipe[T](opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, _ = a.Close(), b.Close()
		if !t.Failed() {
			requireEmpty(t)
		}
	})
	return a, b
}

// echoes sends back what comes, until the pipe ends.
var echoes = Register("test.echoes", func(ctx context.Context, c *Conn[string]) (int, error) {
	for n := 0; ; n++ {
		s, err := c.Recv(ctx)
		if err == io.EOF {
			return n, c.Close()
		}
		if err != nil {
			return n, err
		}
		if err := c.Send(ctx, s); err != nil {
			return n, err
		}
	}
})

func TestAPipeJoinsParentAndChild(t *testing.T) {
	a, b := aPipe[string](t)
	ctx := within(t)
	p, err := echoes.Start(ctx, b)
	require.NoError(t, err)
	_, err = b.Recv(ctx)
	require.ErrorIs(t, err, ErrMoved)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, b.Send(ctx, "x"), ErrMoved)
	require.ErrorIs(t, b.Close(), ErrMoved)
	for _, s := range []string{"", "a", strings.Repeat("long", 100_000)} {
		require.NoError(t, a.Send(ctx, s))
		got, err := a.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	require.NoError(t, a.CloseSend())
	_, err = a.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, p.Wait(ctx))
}

func TestAMessageArrivesAsItIs(t *testing.T) {
	ctx := within(t)
	t.Run("plain", func(t *testing.T) {
		a, b := aPipe[[64]byte](t)
		require.NoError(t, a.Send(ctx, [64]byte{1, 63: 2}))
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, [64]byte{1, 63: 2}, got)
	})
	t.Run("without size", func(t *testing.T) {
		a, b := aPipe[struct{}](t)
		require.NoError(t, a.Send(ctx, struct{}{}))
		require.NoError(t, a.TrySend(struct{}{}))
		for range 2 {
			_, err := b.Recv(ctx)
			require.NoError(t, err)
		}
		_, err := b.TryRecv()
		require.Equal(t, ErrEmpty, err)
	})
	t.Run("large and plain", func(t *testing.T) {
		a, b := aPipe[[100_000]byte](t)
		v := [100_000]byte{1, 99_999: 2}
		require.NoError(t, a.Send(ctx, v))
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, v, got)
	})
	t.Run("bytes", func(t *testing.T) {
		a, b := aPipe[[]byte](t, WithPipeCapacity(1000))
		for _, n := range []int{0, 1, 100, 495, 496, 497, 1000, 1 << 20} {
			v := bytes.Repeat([]byte{byte(n)}, n)
			require.NoError(t, a.Send(ctx, v))
			got, err := b.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, v, got)
		}
		require.NoError(t, a.Send(ctx, nil))
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Nil(t, got)
	})
	t.Run("others", func(t *testing.T) {
		a, b := aPipe[map[string][]int](t)
		for _, v := range []map[string][]int{nil, {}, {"a": {1, 2}, "b": nil}, {"c": make([]int, 100_000)}} {
			require.NoError(t, a.Send(ctx, v))
			got, err := b.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, v, got)
		}
	})
	t.Run("handles", func(t *testing.T) {
		a, b := aPipe[cargo](t)
		c := newCargo(t)
		require.NoError(t, a.Send(ctx, c))
		c.free(t)
		got, err := b.Recv(ctx)
		require.NoError(t, err)
		require.NoError(t, got.touch(ctx, "me"))
		got.requireTouched(t, "me")
		got.free(t)
	})
}

func TestTheLastHandleOfAnEndClosesIt(t *testing.T) {
	requireEmpty(t)
	b := func() *Conn[int] {
		a, b, err := NewPipe[int]()
		require.NoError(t, err)
		require.NoError(t, a.Send(within(t), 7))
		return b
	}()
	eventually(t, func() bool { runtime.GC(); return isEnded(b) }, "a closed end")
	v, err := b.Recv(within(t))
	require.NoError(t, err)
	require.Equal(t, 7, v)
	_, err = b.Recv(within(t))
	require.Equal(t, io.EOF, err)
	require.NoError(t, b.Close())
	requireEmpty(t)
}

// isEnded reports whether the peer is gone.
func isEnded[T any](c *Conn[T]) bool { return errors.Is(c.TrySend(*new(T)), io.ErrClosedPipe) }

func TestAnEndTravelsThroughAQueue(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[string](t)
	q, err := NewQueue[*Conn[string]](2)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	require.NoError(t, b.Send(ctx, "before"))
	require.NoError(t, a.Send(ctx, "waiting"))
	require.NoError(t, q.Put(ctx, b))
	require.ErrorIs(t, b.Send(ctx, ""), ErrMoved)
	require.NoError(t, a.Send(ctx, "under way"))
	c, err := q.Get(ctx)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.ErrorIs(t, b.Send(ctx, ""), ErrMoved, "the old handle stays of no use")
	for _, want := range []string{"waiting", "under way"} {
		s, err := c.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, s)
	}
	require.NoError(t, c.Send(ctx, "after"))
	for _, want := range []string{"before", "after"} {
		s, err := a.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, want, s)
	}
}

func TestAnEndThatWasNotSentStays(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[int](t)
	q, err := NewQueue[[]*Conn[int]](1)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	require.NoError(t, q.Put(ctx, nil))
	require.ErrorIs(t, q.TryPut([]*Conn[int]{b}), ErrFull)
	_, err = takesConns.Start(ctx, []*Conn[int]{b}, WithExecutable("/nonexistent"))
	require.Error(t, err)
	require.NoError(t, b.Send(ctx, 1))
	v, err := a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, v)
	closed, _ := aPair[int](t)
	require.NoError(t, closed.Close())
	_, err = takesConns.Start(ctx, []*Conn[int]{b, closed})
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, b.Send(ctx, 2))
	_, err = takesConns.Run(ctx, []*Conn[int]{b, b})
	require.NoError(t, err, "twice in a message it is still one")
	require.ErrorIs(t, b.Send(ctx, 2), ErrMoved)
	v, err = a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, v)
	_, err = a.Recv(ctx)
	require.ErrorIs(t, err, io.EOF)
}

var takesConns = takes[*Conn[int]]("test.takesConns")

// aPair is a pipe among others.
func aPair[T any](t testing.TB) (*Conn[T], *Conn[T]) {
	a, b, err := NewPipe[T]()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// A carrier is a message that may bring an end of a pipe of such messages.
type carrier struct {
	N   int
	End *Conn[carrier]
}

func TestAnEndCannotTravelThroughItsOwnPipe(t *testing.T) {
	ctx := within(t)
	a, b := aPipe[carrier](t)
	require.ErrorIs(t, a.Send(ctx, carrier{End: b}), errOwnPipe)
	require.ErrorIs(t, a.Send(ctx, carrier{End: a}), errOwnPipe)
	require.NoError(t, a.Send(ctx, carrier{N: 1}))
	m, err := b.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, carrier{N: 1}, m)
}

// connWord is a word of what c's receiving direction says of itself.
func connWord[T any](c *Conn[T], offset int) *atomic.Uint32 {
	return shm.At[atomic.Uint32](c.view.in.mem, 512+offset)
}
