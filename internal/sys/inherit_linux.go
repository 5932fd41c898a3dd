package sys

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Scratch makes an empty file that exists in memory only and grows as it is
// written. The descriptor is close-on-exec.
func Scratch(name string) (*os.File, error) {
	fd, err := memfdCreate(name)
	if err != nil {
		return nil, fmt.Errorf("sys: memfd_create: %w%s", err, memfdCure(err))
	}
	return os.NewFile(uintptr(fd), "memfd:"+name), nil
}

// SetNonblock makes an inherited descriptor non-blocking, so that os.NewFile
// gives it to Go's poller.
func SetNonblock(fd int) error { return unix.SetNonblock(fd, true) }

// ExecutableID tells this process's executable file from others without reading
// it: where it is stored, its size and its time. Empty if there is no /proc.
func ExecutableID() string {
	st, err := os.Stat("/proc/self/exe")
	if err != nil {
		return ""
	}
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d:%d", s.Dev, s.Ino, st.Size(), st.ModTime().UnixNano())
}
