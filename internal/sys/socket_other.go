//go:build !linux

package sys

import (
	"os"
	"syscall"
)

// NoFollow opens no symbolic link, where there is such a flag.
const NoFollow = 0

// PrivateSocket has a socket of the machine be for processes of its user only.
func PrivateSocket(syscall.RawConn) error { return errUnsupported }

// TryLockFile locks a file for as long as somebody has what f is open for.
func TryLockFile(*os.File) (bool, error) { return false, errUnsupported }
