package mp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests of CPython's Lib/test/_test_multiprocessing.py in which a descriptor travels,
// by their names there.

// wordy is what a child writes to a file that it got through a connection.
type wordy struct {
	From  *Conn[*File]
	Crowd int // open files that it has before
}

// maxFD is the number above which descriptors are large.
const maxFD = 256

var writesFoo = Register("test.writesFoo", func(ctx context.Context, in wordy) (int, error) {
	for range in.Crowd {
		if _, err := os.Open(os.DevNull); err != nil {
			return 0, err
		}
	}
	f, err := in.From.Recv(ctx)
	if err != nil {
		return 0, err
	}
	o, err := f.Open(ctx)
	if err != nil {
		return 0, err
	}
	_, err = o.WriteString("foo")
	fd := int(o.Fd())
	return fd, errors.Join(err, o.Close())
})

// transfer sends a file to a child, which writes to it, and returns its numbers here
// and there.
func transfer(t *testing.T, crowd int) (here, there int) {
	t.Helper()
	ctx := within(t)
	for range crowd {
		o, err := os.Open(os.DevNull)
		require.NoError(t, err)
		defer func() { _ = o.Close() }()
	}
	mine, its := aPipe[*File](t)
	o, err := os.CreateTemp(t.TempDir(), "file")
	require.NoError(t, err)
	f, err := NewFile(ctx, o)
	require.NoError(t, err)
	require.NoError(t, mine.Send(ctx, f))
	require.NoError(t, f.Free())
	here = int(o.Fd())
	require.NoError(t, o.Close())
	there, err = writesFoo.Run(ctx, wordy{its, crowd})
	require.NoError(t, err)
	text, err := os.ReadFile(o.Name())
	require.NoError(t, err)
	require.Equal(t, "foo", string(text))
	return here, there
}

// _TestConnection.test_fd_transfer: a child writes to the file whose descriptor it got.
func TestReferenceFDTransfer(t *testing.T) {
	requireNoLeak(t)
	transfer(t, 0)
}

// _TestConnection.test_large_fd_transfer: the same with large numbers, on both sides.
func TestReferenceLargeFDTransfer(t *testing.T) {
	requireNoLeak(t)
	here, there := transfer(t, maxFD)
	require.Greater(t, here, maxFD)
	require.Greater(t, there, maxFD)
}

// _TestConnection.test_missing_fd_transfer: a message that should bring a descriptor and
// does not is an error, and no crash. That is keeper.TestARequestWithoutItsDescriptorIsRefused;
// and here a File of which nobody has ever kept a descriptor.
func TestReferenceMissingFDTransfer(t *testing.T) {
	requireNoLeak(t)
	mine, its := aPipe[*File](t)
	p, err := writesFoo.Start(t.Context(), wordy{From: its})
	require.NoError(t, err)
	obj, err := newFileBlock(os.Stdout)
	require.NoError(t, err)
	f := new(File)
	require.NoError(t, f.bind(obj))
	require.NoError(t, mine.Send(t.Context(), f))
	require.NoError(t, f.Free())
	err = p.Wait(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorContains(t, err, "nothing is kept under this name")
}

// socketWork is how a process gets sockets, and tells where it listens.
type socketWork struct {
	Get *Conn[*File]
	Say *Conn[string]
}

// _TestPicklingConnections.test_pickling: sockets that one process has accepted are sent
// through a connection to another, which speaks with their peers.
func TestReferencePickling(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	accepted, toRemote := aPipe[*File](t)
	addresses, toListener, err := NewPipe[string](OneWay())
	require.NoError(t, err)
	defer func() { _ = addresses.Close() }()
	remote, err := speaksRemotely.Start(ctx, socketWork{Get: accepted})
	require.NoError(t, err)
	listener, err := acceptsForOthers.Start(ctx, socketWork{Get: toRemote, Say: toListener})
	require.NoError(t, err)
	for _, network := range []string{"tcp", "unix"} {
		address, err := addresses.Recv(ctx)
		require.NoError(t, err)
		c, err := net.Dial(network, address)
		require.NoError(t, err)
		_, err = io.WriteString(c, "hello")
		require.NoError(t, err)
		answer := make([]byte, len("hellohello"))
		_, err = io.ReadFull(c, answer)
		require.NoError(t, err)
		require.Equal(t, "hellohello", string(answer))
		require.NoError(t, c.Close())
	}
	require.NoError(t, WaitAll(ctx, listener, remote))
}

// acceptsForOthers accepts a connection of each kind and gives it away.
var acceptsForOthers = Register("test.acceptsForOthers", func(ctx context.Context, work socketWork) (int, error) {
	folder, err := os.MkdirTemp("", "mp")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	for _, at := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", folder + "/socket"}} {
		if err := acceptFor(ctx, work, at[0], at[1]); err != nil {
			return 0, fmt.Errorf("%s: %w", at[0], err)
		}
	}
	return 0, work.Get.CloseSend()
})

func acceptFor(ctx context.Context, work socketWork, network, address string) error {
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if err := work.Say.Send(ctx, l.Addr().String()); err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	f, err := fileOfConn(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(work.Get.Send(ctx, f), f.Free())
}

// fileOfConn is a File of a connection, which is still open then.
func fileOfConn(ctx context.Context, c net.Conn) (*File, error) {
	o, err := c.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return nil, err
	}
	f, err := NewFile(ctx, o)
	return f, errors.Join(err, o.Close())
}

// speaksRemotely says twice what the peers of the sockets say that it gets.
var speaksRemotely = Register("test.speaksRemotely", func(ctx context.Context, work socketWork) (int, error) {
	for {
		f, err := work.Get.Recv(ctx)
		if err != nil {
			return 0, ignoreEOF(err)
		}
		o, err := f.Open(ctx)
		if err != nil {
			return 0, err
		}
		c, err := net.FileConn(o)
		if err != nil {
			return 0, err
		}
		text := make([]byte, len("hello"))
		if _, err = io.ReadFull(c, text); err == nil {
			_, err = c.Write(append(text, text...))
		}
		if err := errors.Join(err, c.Close(), o.Close()); err != nil {
			return 0, err
		}
	}
})
