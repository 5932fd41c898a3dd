package sys

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// PidfdOpen opens a descriptor that stands for the process pid, also after its
// number has gone to another one. No such process is ESRCH. Of a child that
// this process has not waited for, pid names the right one for sure; of others,
// compare StartTime after the opening.
//
// Close the file to end the AwaitExit of others, or set its read deadline.
func PidfdOpen(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.EINVAL) && pid > 0 { // Linux before 5.10
		fd, err = pidfdOpenOld(pid)
	}
	if err != nil {
		return nil, fmt.Errorf("sys: pidfd_open of process %d: %w", pid, err)
	}
	// Non-blocking, so that NewFile gives it to Go's poller.
	return os.NewFile(uintptr(fd), "pidfd:"+strconv.Itoa(pid)), nil
}

func pidfdOpenOld(pid int) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// AwaitExit returns nil when the process that pidfd, of PidfdOpen, stands for is
// dead with all its threads. Waiting costs a goroutine, but no thread.
func AwaitExit(pidfd *os.File) error {
	conn, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	err = await(conn, readable)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && isClosed(pidfd) {
		err = os.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("sys: await the end of %s: %w", pidfd.Name(), err)
	}
	return nil
}

func isClosed(f *os.File) bool {
	return errors.Is(control(f, func(int) error { return nil }), os.ErrClosed)
}

// Exited reports whether the process that pidfd stands for is dead with all its
// threads. It does not wait.
func Exited(pidfd *os.File) (bool, error) {
	var dead bool
	err := control(pidfd, func(fd int) (err error) {
		dead, err = poll(fd, readable)
		return err
	})
	return dead, err
}

// readable is what a pidfd is when its process is dead. Nothing else that poll may tell proves
// a death.
const readable = unix.POLLIN

// PidfdSignal sends a signal to the process that pidfd stands for, and never to
// another one: ESRCH where it is gone and waited for.
func PidfdSignal(pidfd *os.File, sig syscall.Signal) error {
	err := control(pidfd, func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) })
	if err != nil {
		return fmt.Errorf("sys: signal %v to %s: %w", sig, pidfd.Name(), err)
	}
	return nil
}
