package connection

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// A program of Python's with its own multiprocessing.connection.
func python(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here to talk with")
	}
	if exec.Command(exe, "-c", "import multiprocessing.connection").Run() != nil {
		t.Skip("this python3 has no multiprocessing")
	}
	cmd := exec.Command(exe, append([]string{"-c", program}, args...)...)
	cmd.Stderr = new(bytes.Buffer)
	return cmd
}

const pythonClient = `
import sys
from multiprocessing.connection import Client
address = sys.argv[2] if sys.argv[1] == "unix" else ("127.0.0.1", int(sys.argv[2].rpartition(":")[2]))
if sys.argv[1] == "unix" and address[0] == "@":
    address = "\0" + address[1:]
with Client(address, authkey=b"secret") as c:
    while True:
        try:
            m = c.recv_bytes()
        except EOFError:
            break
        c.send_bytes(m[::-1])
`

const pythonListener = `
import sys
from multiprocessing.connection import Listener
with Listener(sys.argv[1], authkey=b"secret") as l:
    print("listening", flush=True)
    with l.accept() as c:
        for m in iter(c.recv_bytes, b""):
            c.send_bytes(m[::-1])
`

func reversed(b []byte) []byte {
	r := make([]byte, 0, len(b))
	for i := len(b) - 1; i >= 0; i-- {
		r = append(r, b[i])
	}
	return r
}

// conversation has Python send messages back, of lengths that it frames differently.
func conversation(t *testing.T, c *Conn[[]byte]) {
	ctx := within(t)
	for _, n := range []int{1, 5, 16384, 16385, 20_000_000} {
		message := numbered(134*n + 100)
		message = bytes.Repeat(message, n/len(message)+1)[:n]
		sent := make(chan error, 1)
		go func() { sent <- c.Send(ctx, message) }()
		got, err := c.Recv(ctx)
		require.NoError(t, err)
		require.True(t, bytes.Equal(reversed(message), got), "%d bytes", n)
		require.NoError(t, <-sent)
	}
}

func TestPythonsClientConnects(t *testing.T) {
	atEachPlace(t, func(t *testing.T, at place) {
		testkit.LeakCheck(t)
		ctx := within(t)
		l := listening[[]byte](t, at, WithKey([]byte("secret")), WithMD5())
		cmd := python(t, pythonClient, l.Addr().Network(), l.Addr().String())
		require.NoError(t, cmd.Start())
		c := accepted(t, l)
		conversation(t, c)
		require.NoError(t, c.Send(ctx, nil))
		m, err := c.Recv(ctx)
		require.NoError(t, err)
		require.Empty(t, m)
		require.NoError(t, c.CloseSend())
		require.NoError(t, cmd.Wait(), cmd.Stderr)
		_, err = c.Recv(ctx)
		require.Equal(t, io.EOF, err)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
	})
}

func TestPythonsListenerIsDialled(t *testing.T) {
	testkit.LeakCheck(t)
	ctx := within(t)
	path := fmt.Sprintf("%s/listener", t.TempDir())
	cmd := python(t, pythonListener, path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, len("listening\n")))
	require.NoError(t, err, cmd.Stderr)
	c, err := Dial[[]byte](ctx, "unix", path, WithKey([]byte("secret")), WithMD5())
	require.NoError(t, err)
	conversation(t, c)
	require.NoError(t, c.Send(ctx, nil))
	_, err = c.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, cmd.Wait(), cmd.Stderr)
	require.NoError(t, c.Close())
}

// Both sides notice, and neither hangs.
func TestPythonWithAnotherKeyIsSentAway(t *testing.T) {
	testkit.LeakCheck(t)
	l := listening[[]byte](t, place{"unix", ""}, WithKey([]byte("another")), WithMD5())
	cmd := python(t, pythonClient, "unix", l.Addr().String())
	require.Error(t, cmd.Run())
	require.Contains(t, cmd.Stderr.(*bytes.Buffer).String(), "AuthenticationError: digest sent was rejected")
	require.NoError(t, l.Close())
}
