//go:build !linux

package sys

import (
	"fmt"
	"os"
)

// Scratch makes an empty file that exists in memory only and grows as it is
// written.
func Scratch(string) (*os.File, error) { return nil, errUnsupported }

// SetNonblock makes an inherited descriptor non-blocking, so that os.NewFile
// gives it to Go's poller.
func SetNonblock(int) error { return errUnsupported }

// SocketPair makes two sockets that are connected with each other, closed on exec.
func SocketPair(string) (a, b *os.File, err error) { return nil, nil, errUnsupported }

// Send sends all of p to the other socket; os.ErrProcessDone if nobody has that any
// more. Unlike a write it never raises SIGPIPE.
func Send(*os.File, []byte) error { return errUnsupported }

// ExecutableID tells this process's executable file from others without reading
// it. Empty if there is no cheap way.
func ExecutableID() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	st, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", path, st.Size(), st.ModTime().UnixNano())
}
