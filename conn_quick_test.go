package mp

import (
	"context"
	"io"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/sys"
)

// quickly reports whether there are quick ways through pipes in this build, on this system.
func quickly() bool {
	return runtime.GOARCH == "amd64" && !race.Enabled && sys.RegisterBarrier() == nil
}

// inFlow has the calling goroutine send and receive until it has the favour of both ends.
func inFlow[T any](t *testing.T, ctx context.Context, from, to *Conn[T], v T) {
	t.Helper()
	for range 10_000 { // more than once if the stack moves meanwhile
		for range 20 {
			require.NoError(t, from.Send(ctx, v))
			require.NoError(t, to.RecvInto(ctx, &v))
		}
		if !quickly() || from.quick.out.Load() != nil && to.quick.in.Load() != nil {
			return
		}
	}
	require.Fail(t, "there is no quick way")
}

// Messages of all lengths for which there are quick ways, and of some for which there are none,
// arrive as they were sent, one by one and many in a row, and by TrySend and TryRecv in between.
func TestQuickWaysKeepMessagesAsTheyAre(t *testing.T) {
	t.Run("1", quickMessages[[1]byte])
	t.Run("8", quickMessages[[8]byte])
	t.Run("15", quickMessages[[15]byte])
	t.Run("24", quickMessages[[24]byte])
	t.Run("48", quickMessages[[48]byte])
	t.Run("64", quickMessages[[64]byte])
	t.Run("72", quickMessages[[72]byte])
	t.Run("256", quickMessages[[256]byte])
	t.Run("257", quickMessages[[257]byte])
}

func quickMessages[T [1]byte | [8]byte | [15]byte | [24]byte | [48]byte | [64]byte | [72]byte | [256]byte | [257]byte](t *testing.T) {
	ctx := within(t)
	a, b := aPipe[T](t, WithPipeCapacity(8192))
	message := func(n int) (v T) {
		for i := range len(v) {
			v[i] = byte(n + i)
		}
		return v
	}
	var sent, got int
	ways := 0
	for lap := range 400 {
		if a.quick.out.Load() != nil && b.quick.in.Load() != nil {
			ways++
		}
		row := 1 + lap%7*3
		for i := range row {
			send := a.Send
			if (lap+i)%11 == 0 {
				send = func(_ context.Context, v T) error { return a.TrySend(v) }
			}
			require.NoError(t, send(ctx, message(sent)))
			sent++
		}
		for i := range row {
			var v T
			if (lap+i)%13 == 0 {
				require.NoError(t, b.TryRecvInto(&v))
			} else {
				require.NoError(t, b.RecvInto(ctx, &v))
			}
			require.Equal(t, message(got), v, "message %d", got)
			got++
		}
	}
	if len(message(0)) > 256 {
		require.Zero(t, ways)
	} else if quickly() {
		require.NotZero(t, ways)
	}
}

// Who has the favour of an end learns what became of that.
func TestQuickWaysEndWithTheirEnd(t *testing.T) {
	ctx := within(t)
	v := [64]byte{1}
	t.Run("closed", func(t *testing.T) {
		a, b := aPipe[[64]byte](t)
		inFlow(t, ctx, a, b, v)
		inFlow(t, ctx, b, a, v)
		require.NoError(t, a.Close())
		require.ErrorIs(t, a.Send(ctx, v), ErrClosed)
		require.ErrorIs(t, a.RecvInto(ctx, &v), ErrClosed)
		require.Nil(t, a.quick.out.Load())
		require.Nil(t, a.quick.in.Load())
		require.ErrorIs(t, b.Send(ctx, v), io.ErrClosedPipe, "by the peer")
		require.ErrorIs(t, b.RecvInto(ctx, &v), io.EOF)
	})
	t.Run("closed by the peer, with messages left", func(t *testing.T) {
		a, b := aPipe[[64]byte](t)
		inFlow(t, ctx, a, b, v)
		for range 3 {
			require.NoError(t, a.Send(ctx, v))
		}
		require.NoError(t, a.Close())
		for range 3 {
			require.NoError(t, b.RecvInto(ctx, &v))
		}
		require.ErrorIs(t, b.RecvInto(ctx, &v), io.EOF)
	})
	t.Run("half closed", func(t *testing.T) {
		a, b := aPipe[[64]byte](t)
		inFlow(t, ctx, a, b, v)
		inFlow(t, ctx, b, a, v)
		require.NoError(t, a.CloseSend())
		require.ErrorIs(t, a.Send(ctx, v), ErrClosed)
		require.NoError(t, b.Send(ctx, v))
		require.NoError(t, a.RecvInto(ctx, &v))
	})
	t.Run("sent away, and back", func(t *testing.T) {
		a, b := aPipe[[64]byte](t)
		inFlow(t, ctx, a, b, v)
		q, err := NewQueue[*Conn[[64]byte]](1)
		require.NoError(t, err)
		defer q.Free()
		require.NoError(t, q.Put(ctx, a))
		require.ErrorIs(t, a.Send(ctx, v), ErrMoved)
		back, err := q.Get(ctx)
		require.NoError(t, err)
		require.ErrorIs(t, a.Send(ctx, v), ErrMoved, "it is another handle's")
		inFlow(t, ctx, back, b, v)
		require.NoError(t, back.Close())
	})
}

// One goroutine has the favour, and others take it away.
func TestQuickWaysOfManyGoroutines(t *testing.T) {
	const senders, each = 4, 3000
	ctx := within(t)
	a, b := aPipe[[8]byte](t)
	inFlow(t, ctx, a, b, [8]byte{})
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for i := range each {
				if err := a.Send(ctx, [8]byte{byte(s), byte(i), byte(i >> 8)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var next [senders]int
	for range senders * each {
		var v [8]byte
		require.NoError(t, b.RecvInto(ctx, &v))
		require.Equal(t, next[v[0]], int(v[1])|int(v[2])<<8, "from goroutine %d", v[0])
		next[v[0]]++
	}
	all.Wait()
}
