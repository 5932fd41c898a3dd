package sys

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Readable reports whether to read from a descriptor would not wait: there is something,
// or the end, or an error. It does not wait itself. If the descriptor was closed, the error
// is os.ErrClosed.
func Readable(c syscall.RawConn) (bool, error) {
	var ready bool
	var polled error
	if c.Control(func(fd uintptr) { ready, polled = poll(int(fd), anyEvent) }) != nil {
		return false, os.ErrClosed // the only reason; see control
	}
	return ready, polled
}

// anyEvent is whatever poll may tell of a descriptor.
const anyEvent = -1

// poll reports whether there is one of the events at a descriptor.
func poll(fd int, events int16) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	err := retry(func() error {
		_, err := unix.Poll(fds, 0)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sys: poll: %w", err)
	}
	return fds[0].Revents&events != 0, nil
}

// AwaitReadable waits until a descriptor is Readable, which is in Go's poller, as those of
// sockets are: until it is closed, or its read deadline has passed. Nobody else can read or
// wait for it by the same file meanwhile. It costs a goroutine, but no thread.
func AwaitReadable(c syscall.RawConn) error { return await(c, anyEvent) }

func await(c syscall.RawConn, events int16) error {
	var polled error
	err := c.Read(func(fd uintptr) (done bool) {
		done, polled = poll(int(fd), events)
		return done || polled != nil
	})
	if err != nil {
		return err
	}
	return polled
}

// A Lookout waits until one of several descriptors is Readable. It holds none of them
// open: what is closed everywhere meanwhile is waited for no longer.
type Lookout struct {
	epoll *os.File
}

// NewLookout makes a Lookout, which has to be closed.
func NewLookout(conns []syscall.RawConn) (*Lookout, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("sys: epoll_create1: %w%s", err, filesCure(err))
	}
	_ = unix.SetNonblock(fd, true) // so that NewFile gives it to Go's poller: waiting costs no thread
	l := &Lookout{os.NewFile(uintptr(fd), "lookout")}
	for _, c := range conns {
		if err := l.add(c); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

func (l *Lookout) add(c syscall.RawConn) error {
	var added error
	err := c.Control(func(fd uintptr) {
		added = control(l.epoll, func(epoll int) error {
			return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)})
		})
	})
	switch {
	case err != nil:
		return os.ErrClosed
	case added == nil, errors.Is(added, unix.EEXIST): // twice in the list
		return nil
	}
	return fmt.Errorf("sys: epoll_ctl: %w", added)
}

// Await returns nil when a descriptor is readable, an error after Close.
func (l *Lookout) Await() error {
	conn, err := l.epoll.SyscallConn()
	if err != nil {
		return err
	}
	return AwaitReadable(conn)
}

// Close ends Await, and gives back what the Lookout has.
func (l *Lookout) Close() { l.epoll.Close() }
