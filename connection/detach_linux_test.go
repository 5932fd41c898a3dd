package connection

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/internal/testkit"
)

// answers has a connection that its parent accepted.
var answers = mp.Register("connection.answers", func(ctx context.Context, f *mp.File) (int, error) {
	c, err := Attach[string](ctx, f)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	n := 0
	for {
		m, err := c.Recv(ctx)
		if err == io.EOF {
			return n, nil
		}
		if err == nil {
			err = c.Send(ctx, "you said "+m)
		}
		if err != nil {
			return n, err
		}
		n++
	}
})

// Python: _TestPicklingConnections.test_pickling.
func TestAConnectionGoesOnInAnotherProcess(t *testing.T) {
	atEachPlace(t, func(t *testing.T, at place) {
		ctx := within(t)
		l := listening[string](t, at, WithoutKey())
		a := dialled[string](t, l.Addr(), WithoutKey())
		b := accepted(t, l)
		require.NoError(t, a.Send(ctx, "zero"))
		m, err := b.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, "zero", m)
		require.NoError(t, a.Send(ctx, "one")) // waits in the socket, and goes along

		f, err := b.Detach(ctx)
		require.NoError(t, err)
		_, err = b.Recv(ctx)
		require.ErrorIs(t, err, mp.ErrMoved)
		require.ErrorIs(t, b.Send(ctx, "x"), mp.ErrMoved)
		require.ErrorIs(t, b.Close(), mp.ErrMoved)
		_, err = b.Detach(ctx)
		require.ErrorIs(t, err, mp.ErrMoved)

		answered := make(chan int, 1)
		go func() {
			n, err := answers.Run(ctx, f)
			if err = errors.Join(err, f.Free()); err == nil {
				answered <- n
			}
			close(answered)
		}()
		for _, want := range []string{"one", "two"} {
			if want != "one" {
				require.NoError(t, a.Send(ctx, want))
			}
			m, err := a.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, "you said "+want, m)
		}
		require.NoError(t, a.CloseSend())
		require.Equal(t, 2, <-answered)
		_, err = a.Recv(ctx)
		require.Equal(t, io.EOF, err, "nobody else has the socket")
	})
}

func TestHalfAMessageIsNotDetached(t *testing.T) {
	ctx := within(t)
	raw, c := rawPair[string](t)
	_, err := raw.Write([]byte{0, 0, 0, 2, 'h'})
	require.NoError(t, err)
	done, cancel := context.WithCancel(ctx)
	waiting := make(chan error, 1)
	go func() { _, err := c.Recv(done); waiting <- err }()
	for {
		if ready := c.Ready(); !ready {
			break // it was read
		}
	}
	cancel()
	require.ErrorIs(t, <-waiting, context.Canceled)
	_, err = c.Detach(ctx)
	require.ErrorContains(t, err, "half a message")
	_, err = raw.Write([]byte{'i'})
	require.NoError(t, err)
	m, err := c.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "hi", m)
	f, err := c.Detach(ctx)
	require.NoError(t, err)
	require.NoError(t, f.Free())
	_, err = raw.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "with the last handle the socket is gone")
}

func TestOnlyConnectedStreamsAreAttached(t *testing.T) {
	ctx := within(t)
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer udp.Close()
	socket, err := udp.(*net.UDPConn).File()
	require.NoError(t, err)
	defer socket.Close()
	for _, f := range []*os.File{file, socket} {
		kept, err := mp.NewFile(ctx, f)
		require.NoError(t, err)
		_, err = Attach[string](ctx, kept)
		require.ErrorContains(t, err, "attach")
		require.NoError(t, kept.Free(), "it is still the caller's")
	}
	_, err = Attach[string](ctx, new(mp.File))
	require.ErrorIs(t, err, mp.ErrClosed)
}

// Python: connection.wait with Connections, and with sockets.
func TestWaitTakesConnections(t *testing.T) {
	ctx := within(t)
	a, b := aPair[string](t)
	q, err := mp.NewQueue[int](1)
	require.NoError(t, err)
	defer q.Free()
	l := listening[string](t, place{"unix", ""}, WithoutKey())
	warm(t, q)
	testkit.LeakCheck(t)
	objects := []mp.Waitable{b, q}
	for _, step := range []struct {
		make, take func() error
		want       mp.Waitable
	}{
		{func() error { return a.Send(ctx, "x") }, func() error { _, err := b.Recv(ctx); return err }, b},
		{func() error { return q.Put(ctx, 1) }, func() error { _, err := q.Get(ctx); return err }, q},
		{a.Close, func() error { return nil }, b},
	} {
		ready := make(chan []mp.Waitable, 1)
		go func() { r, _ := mp.Wait(ctx, objects...); ready <- r }()
		require.NoError(t, step.make())
		require.Equal(t, []mp.Waitable{step.want}, <-ready)
		require.NoError(t, step.take())
	}
	require.NoError(t, l.Close())
	require.NoError(t, b.Close())
}

// Who waits is told, and not left asleep with a socket that is gone.
func TestWaitSeesThatAConnectionIsClosedOrMoved(t *testing.T) {
	ctx := within(t)
	q, err := mp.NewQueue[int](1)
	require.NoError(t, err)
	defer q.Free()
	warm(t, q)
	for name, c := range map[string]struct {
		ends func(*Conn[string]) error
		want error
	}{
		"closed": {(*Conn[string]).Close, mp.ErrClosed},
		"moved": {func(c *Conn[string]) error {
			f, err := c.Detach(ctx)
			if err == nil {
				err = f.Free()
			}
			return err
		}, mp.ErrMoved},
	} {
		t.Run(name, func(t *testing.T) {
			for round := range 20 {
				_, b := aPair[string](t)
				waiting := make(chan error, 1)
				go func() { _, err := mp.Wait(ctx, b); waiting <- err }()
				if round%2 == 0 {
					waitsInEpoll(t)
				}
				require.NoError(t, c.ends(b))
				require.ErrorIs(t, <-waiting, c.want)
				_, err := mp.Wait(ctx, b)
				require.ErrorIs(t, err, c.want)
			}
		})
	}
}

// waitsInEpoll returns when a goroutine sleeps in a Lookout.
func waitsInEpoll(t *testing.T) {
	stacks := make([]byte, 1<<20)
	for t.Context().Err() == nil {
		text := string(stacks[:runtime.Stack(stacks, true)])
		for g := range strings.SplitSeq(text, "\n\n") {
			if strings.Contains(g, "[IO wait") && strings.Contains(g, "(*Lookout).Await") {
				return
			}
		}
		runtime.Gosched()
	}
}

// warm has Wait make what it makes once.
func warm(t *testing.T, q *mp.Queue[int]) {
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	_, err := mp.Wait(ctx, q)
	require.ErrorIs(t, err, context.Canceled)
}
