package sys

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// SharedDir is where POSIX shared memory has its names (shm_open(3)).
const SharedDir = "/dev/shm"

// CreateShared makes the file name in dir, with size bytes of memory that cannot
// fail later, for this user only. The name appears when all that is done, so
// that nobody ever opens a file half-made, and a process killed on the way leaves
// nothing. A name that exists is fs.ErrExist.
func CreateShared(dir, name string, size int64) (*os.File, error) {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sys: nameless file: %w", err)
	}
	if err := publish(f, dir+"/"+name, size); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func publish(f *os.File, path string, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	if err := Reserve(f, 0, size); err != nil {
		return err
	}
	return control(f, func(fd int) error {
		self := "/proc/self/fd/" + strconv.Itoa(fd)
		err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if err != nil {
			return &os.LinkError{Op: "link", Old: self, New: path, Err: err}
		}
		return nil
	})
}

// OpenShared opens the file name in dir for reading and writing. It does not
// follow symbolic links: anybody may put one into SharedDir.
func OpenShared(dir, name string) (*os.File, error) {
	return os.OpenFile(dir+"/"+name, unix.O_RDWR|unix.O_NOFOLLOW, 0)
}
