package shm

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mpgo/mp/internal/sys"
)

// A Named is a Segment with a name that other programs of the same user can open
// it by, whoever started them: a file in /dev/shm. It is what POSIX shm_open
// makes, and what Python calls multiprocessing.shared_memory.SharedMemory; either
// side can open what the other one has created.
//
// A name lives until somebody calls Unlink: if all processes that use it are
// killed, the file stays and keeps its memory. Between relatives, NewSegment is
// the better choice.
//
// Differences from Python: a lack of memory is an error of CreateNamed, and not a
// fault at the first touch; nobody ever sees a segment half-made; opening one
// does not make this process responsible for it. Python before 3.13 unlinks
// each segment that it has only opened, when it exits: those who have it open go
// on sharing it then, but it cannot be opened any more.
//
// Other users of the name are strangers: one that makes the file smaller gives
// everybody a SIGBUS for what is missing.
type Named struct {
	*Segment
	name string
	info fs.FileInfo // which file it was, for Unlink
}

// CreateNamed makes a segment of size bytes, all zero, with its memory reserved:
// no memory is ENOSPC or ENOMEM. Only this user can open it (mode 0600).
//
// A name is 1 to 254 bytes without '/' and NUL, and not "." or ".."; Python takes
// the same one. The empty name makes up a new one, see Name. A name that exists is
// fs.ErrExist; a bad name, or a size of 0 or less, is EINVAL.
func CreateNamed(name string, size int64) (*Named, error) {
	if err := checkSize(size); err != nil {
		return nil, err
	}
	if name != "" {
		return createNamed(name, size)
	}
	for {
		n, err := createNamed(newName(), size)
		if !errors.Is(err, fs.ErrExist) { // else another one made the name up, too
			return n, err
		}
	}
}

// newName is like those that Python makes up.
func newName() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return "psm_" + hex.EncodeToString(b[:])
}

func createNamed(name string, size int64) (*Named, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := sys.CreateShared(sys.SharedDir, name, size)
	if err != nil {
		return nil, fmt.Errorf("shm: create segment %q of %d bytes: %w", name, size, err)
	}
	n, err := newNamed(name, f)
	if err != nil {
		_ = os.Remove(sharedPath(name))
	}
	return n, err
}

// OpenNamed opens a segment that any program of this user has created. Its size
// is that of the file. No such name is fs.ErrNotExist; what is no memory, or
// empty, is an error, too.
func OpenNamed(name string) (*Named, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := sys.OpenShared(sys.SharedDir, name)
	if err != nil {
		return nil, fmt.Errorf("shm: open segment %q: %w", name, err)
	}
	return newNamed(name, f)
}

// newNamed takes f over, and closes it after an error.
func newNamed(name string, f *os.File) (*Named, error) {
	n, err := mapNamed(name, f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("shm: segment %q: %w", name, err)
	}
	return n, nil
}

func mapNamed(name string, f *os.File) (*Named, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size, err := fileSize(f)
	if err != nil {
		return nil, err
	}
	seg, err := mapFile(f, size)
	if err != nil {
		return nil, err
	}
	return &Named{Segment: seg, name: name, info: info}, nil
}

// maxName leaves room for the '/' that C and Python put before the name
// (NAME_MAX is 255).
const maxName = 254

func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > maxName || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("shm: %q cannot be the name of a segment: %w", name, syscall.EINVAL)
	}
	return nil
}

func sharedPath(name string) string { return filepath.Join(sys.SharedDir, name) }

// Name is what OpenNamed, or Python's SharedMemory, finds the segment by.
func (n *Named) Name() string { return n.name }

// String is for people.
func (n *Named) String() string { return fmt.Sprintf("shm.Named(%q, size=%d)", n.name, n.size) }

// Unlink takes the name away: nobody can open the segment by it any more. Those
// who have it open go on using it; the memory is freed when the last one is gone.
// It may be called before or after Close, by anyone who had it open.
//
// The second time it is fs.ErrNotExist, also if the name belongs to another
// segment by now.
func (n *Named) Unlink() error {
	now, err := os.Lstat(sharedPath(n.name))
	if err == nil && !os.SameFile(now, n.info) {
		err = &fs.PathError{Op: "unlink", Path: sharedPath(n.name), Err: fs.ErrNotExist}
	}
	if err == nil {
		err = os.Remove(sharedPath(n.name))
	}
	if err != nil {
		return fmt.Errorf("shm: unlink segment %q: %w", n.name, err)
	}
	return nil
}
