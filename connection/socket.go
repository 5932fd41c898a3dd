package connection

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// A socket is a connected stream of bytes that the kernel knows: a *net.TCPConn or a
// *net.UnixConn.
type socket interface {
	net.Conn
	syscall.Conn
	CloseRead() error
	CloseWrite() error
	File() (*os.File, error)
}

// asSocket is c as a socket; otherwise c is closed.
func asSocket(c net.Conn) (socket, error) {
	switch network := c.LocalAddr().Network(); network {
	case "unix", "tcp":
		return c.(socket), nil
	default:
		c.Close()
		return nil, fmt.Errorf("a socket of %s is no stream of bytes: %w", network, errors.ErrUnsupported)
	}
}

// checkNetwork is an error if sockets of a network cannot be listened at or dialled.
func checkNetwork(network string) error {
	switch network {
	case "unix", "tcp", "tcp4", "tcp6":
		return nil
	}
	return fmt.Errorf("network %q; it must be unix, tcp, tcp4 or tcp6: %w", network, errors.ErrUnsupported)
}

// isGone reports whether an error of a socket says that nobody is at the other end, or that
// there is no way there.
func isGone(err error) bool {
	for _, e := range []error{
		syscall.EPIPE, syscall.ECONNRESET, syscall.ECONNABORTED,
		syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isReset reports whether an error says no more than that the peer has left without having
// received everything. On one machine all that it sent comes before that; TCP may have
// thrown some of it away.
func isReset(err error, s socket) bool {
	return errors.Is(err, syscall.ECONNRESET) && s.LocalAddr().Network() == "unix"
}
