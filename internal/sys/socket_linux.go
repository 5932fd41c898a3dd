package sys

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// NoFollow opens no symbolic link.
const NoFollow = unix.O_NOFOLLOW

// PrivateSocket has a socket of the machine, when it is bound to a path, be for processes of
// its user only.
func PrivateSocket(c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
	return errors.Join(err, failed)
}

// TryLockFile locks a file for as long as somebody has what f is open for: until the last
// descriptor is closed, or the last process that has one died. It reports false if
// somebody else has locked it.
func TryLockFile(f *os.File) (bool, error) {
	err := control(f, func(fd int) error {
		return retry(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	}
	return false, fmt.Errorf("sys: flock of %s: %w", f.Name(), err)
}
