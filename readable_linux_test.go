package mp

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// sockets is a listener of each kind and what dials it.
func sockets(t *testing.T) map[string]net.Listener {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	require.NoError(t, err)
	return map[string]net.Listener{"tcp": tcp, "unix": unix}
}

// Python: TestWait.test_wait_socket.
func TestWaitTakesSockets(t *testing.T) {
	warmUp(t)
	for name, l := range sockets(t) {
		t.Run(name, func(t *testing.T) {
			testkit.LeakCheck(t)
			ctx := within(t)
			door := Readable{l.(syscall.Conn)}
			waiting := awaiting(ctx, door)
			a, err := net.Dial(name, l.Addr().String())
			require.NoError(t, err)
			require.Equal(t, []Waitable{door}, hear(t, waiting), "somebody wants in")
			b, err := l.Accept()
			require.NoError(t, err)

			end := Readable{b.(syscall.Conn)}
			waiting = awaiting(ctx, end, door)
			_, err = a.Write([]byte("hello"))
			require.NoError(t, err)
			require.Equal(t, []Waitable{end}, hear(t, waiting))
			require.Equal(t, []Waitable{end, end}, hear(t, awaiting(ctx, end, end)), "nothing was taken")
			_, err = io.ReadFull(b, make([]byte, 5))
			require.NoError(t, err)

			short, cancel := context.WithCancel(ctx)
			cancel()
			_, err = Wait(short, end, door)
			require.ErrorIs(t, err, context.Canceled, "it looks once")
			waiting = awaiting(ctx, door, end)
			require.NoError(t, a.Close())
			require.Equal(t, []Waitable{end}, hear(t, waiting), "the end is something")
			require.NoError(t, b.Close())
			_, err = Wait(ctx, end)
			require.ErrorIs(t, err, ErrClosed)
			require.NoError(t, l.Close())
		})
	}
}

// Sockets, queues and processes at once; Python: TestWait.test_wait.
func TestWaitTakesSocketsAmongOthers(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	in, out, err := os.Pipe()
	require.NoError(t, err)
	pipe := Readable{in}
	q, err := NewQueue[int](1)
	require.NoError(t, err)
	p, err := square.Start(ctx, 2)
	require.NoError(t, err)
	for _, step := range []struct {
		makes, takes func() error
		want         Waitable
	}{
		{func() error { _, err := out.Write([]byte{1}); return err }, func() error { _, err := in.Read(make([]byte, 1)); return err }, pipe},
		{func() error { return q.Put(ctx, 1) }, func() error { _, err := q.Get(ctx); return err }, q},
		{out.Close, func() error { return nil }, pipe},
	} {
		waiting := awaiting(ctx, q, pipe)
		require.NoError(t, step.makes())
		require.Equal(t, []Waitable{step.want}, hear(t, waiting))
		require.NoError(t, step.takes())
	}
	require.NoError(t, p.Wait(ctx))
	require.Equal(t, []Waitable{p, pipe}, hear(t, awaiting(ctx, q, p, pipe)))
	require.NoError(t, q.Free())
	require.NoError(t, in.Close())
}

// While Wait waits another goroutine may read, and the deadline is its own.
func TestWaitDoesNotTouchTheSocket(t *testing.T) {
	warmUp(t)
	testkit.LeakCheck(t)
	ctx, cancel := context.WithCancel(within(t))
	in, out, err := os.Pipe()
	require.NoError(t, err)
	q, err := NewQueue[int](1)
	require.NoError(t, err)
	waiting := begin(func() error { _, err := Wait(ctx, Readable{in}, q); return err })
	eventually(t, func() bool { return announcements(q) > 0 }, "one who waits")
	read := begin(func() error { _, err := in.Read(make([]byte, 1)); return err })
	cancel()
	require.ErrorIs(t, hear(t, waiting), context.Canceled)
	_, err = out.Write([]byte{1})
	require.NoError(t, err)
	require.NoError(t, hear(t, read))
	require.NoError(t, q.Free())
	require.NoError(t, in.Close())
	require.NoError(t, out.Close())
}

func TestWhatCannotBeReadableIsRefused(t *testing.T) {
	ctx := within(t)
	_, err := Wait(ctx, Readable{})
	require.ErrorIs(t, err, os.ErrInvalid)
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	require.Equal(t, []Waitable{Readable{f}}, hear(t, awaiting(ctx, Readable{f})), "a file always is")
	require.NoError(t, f.Close())
	_, err = Wait(ctx, Readable{f})
	require.ErrorIs(t, err, ErrClosed)
}
