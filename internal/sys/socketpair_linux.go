package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// SocketPair makes two sockets that are connected with each other, closed on exec.
func SocketPair(name string) (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("sys: socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// Send sends all of p to the other socket; os.ErrProcessDone if nobody has that any
// more. Unlike a write it never raises SIGPIPE, which a program that asked for that
// signal would take for the end of its own output.
func Send(socket *os.File, p []byte) error {
	conn, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = conn.Write(func(fd uintptr) (done bool) {
		for sent = nil; len(p) > 0 && sent == nil; {
			var n int
			sent = retry(func() (err error) {
				n, err = unix.SendmsgN(int(fd), p, nil, nil, unix.MSG_NOSIGNAL)
				return err
			})
			p = p[max(n, 0):]
		}
		return !errors.Is(sent, unix.EAGAIN)
	})
	switch {
	case errors.Is(sent, unix.EPIPE), errors.Is(sent, unix.ECONNRESET):
		return os.ErrProcessDone
	case sent != nil:
		return fmt.Errorf("sys: send to %s: %w", socket.Name(), sent)
	}
	return err
}
