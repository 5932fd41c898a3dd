package shm_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
	"github.com/mpgo/mp/shm"
)

// newNamed makes a segment with a fresh name and takes the name away at the end.
func newNamed(t *testing.T, size int64) *shm.Named {
	n, err := shm.CreateNamed("", size)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = n.Unlink()
		_ = n.Close()
	})
	return n
}

func path(name string) string { return filepath.Join(sys.SharedDir, name) }

func TestTwoProcessesShareANamedSegment(t *testing.T) {
	testkit.LeakCheck(t)
	n := newNamed(t, 10_000)
	c := testkit.Start(t, "named")
	c.Say(n.Name())
	require.Equal(t, "10000", c.Hear())
	count(n.Bytes())
	require.Equal(t, "counted", c.Hear())
	require.EqualValues(t, 2*rounds, shm.At[shared.Uint64](n.Bytes(), 0).Load())
	c.Kill()
	require.FileExists(t, path(n.Name()), "a user that is killed takes nothing along")
}

func TestANamedSegmentHasItsMemory(t *testing.T) {
	testkit.LeakCheck(t)
	n := newNamed(t, 1<<20)
	st, err := os.Stat(path(n.Name()))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, st.Mode())
	require.EqualValues(t, 1<<20, st.Sys().(*syscall.Stat_t).Blocks*512)
	require.Equal(t, make([]byte, 1<<20), n.Bytes())
}

func TestNamesAreTaken(t *testing.T) {
	testkit.LeakCheck(t)
	n := newNamed(t, 4096)
	n.Bytes()[0] = 42
	_, err := shm.CreateNamed(n.Name(), 8192)
	require.ErrorIs(t, err, fs.ErrExist)
	require.EqualValues(t, 42, n.Bytes()[0])
	require.EqualValues(t, 4096, n.Size())
	require.Contains(t, n.String(), n.Name())
}

func TestBadNames(t *testing.T) {
	testkit.LeakCheck(t)
	for _, name := range []string{".", "..", "/a", "a/b", "a\x00b", strings.Repeat("x", 255)} {
		_, err := shm.CreateNamed(name, 4096)
		require.ErrorIs(t, err, syscall.EINVAL, "%q", name)
		_, err = shm.OpenNamed(name)
		require.ErrorIs(t, err, syscall.EINVAL, "%q", name)
	}
	_, err := shm.OpenNamed("")
	require.ErrorIs(t, err, syscall.EINVAL)
}

func TestALongNameWithSpaces(t *testing.T) {
	testkit.LeakCheck(t)
	name := fmt.Sprint("mp test é ", os.Getpid(), " ")
	name += strings.Repeat("x", 254-len(name))
	n, err := shm.CreateNamed(name, 4096)
	require.NoError(t, err)
	require.NoError(t, n.Unlink())
	require.NoError(t, n.Close())
}

func TestOpenNamedErrors(t *testing.T) {
	testkit.LeakCheck(t)
	n := newNamed(t, 4096)
	name := n.Name() + "-other"
	t.Cleanup(func() { _ = os.Remove(path(name)) })
	_, err := shm.OpenNamed(name)
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.WriteFile(path(name), nil, 0o600))
	_, err = shm.OpenNamed(name)
	require.ErrorIs(t, err, syscall.EINVAL, "an empty file")

	require.NoError(t, os.Remove(path(name)))
	require.NoError(t, os.Symlink(path(n.Name()), path(name)))
	_, err = shm.OpenNamed(name)
	require.ErrorIs(t, err, syscall.ELOOP, "links are not followed")

	require.NoError(t, os.Remove(path(name)))
	require.NoError(t, os.Mkdir(path(name), 0o700))
	_, err = shm.OpenNamed(name)
	require.Error(t, err)

	require.NoError(t, os.Remove(path(name)))
	require.NoError(t, exec.Command("mkfifo", "-m", "600", path(name)).Run())
	_, err = shm.OpenNamed(name)
	require.ErrorIs(t, err, shm.ErrForeign, "a pipe")
}

func TestUnlink(t *testing.T) {
	testkit.LeakCheck(t)
	n := newNamed(t, 4096)
	other, err := shm.OpenNamed(n.Name())
	require.NoError(t, err)
	require.NoError(t, n.Unlink())
	require.ErrorIs(t, n.Unlink(), fs.ErrNotExist)
	require.ErrorIs(t, other.Unlink(), fs.ErrNotExist)
	_, err = shm.OpenNamed(n.Name())
	require.ErrorIs(t, err, fs.ErrNotExist)

	n.Bytes()[7] = 7
	require.EqualValues(t, 7, other.Bytes()[7], "those who have it open go on")
	require.NoError(t, other.Close())
	require.ErrorIs(t, other.Close(), shm.ErrClosed)
}

func TestUnlinkSparesAnotherSegmentOfTheName(t *testing.T) {
	testkit.LeakCheck(t)
	old := newNamed(t, 4096)
	require.NoError(t, old.Unlink())
	young, err := shm.CreateNamed(old.Name(), 4096)
	require.NoError(t, err)
	require.ErrorIs(t, old.Unlink(), fs.ErrNotExist)
	require.NoError(t, young.Close())
	require.FileExists(t, path(young.Name()), "Close keeps the name")
	require.NoError(t, young.Unlink(), "also after Close")
}

// python starts a Python program, which gets args and talks in lines.
func python(t *testing.T, program string, args ...string) string {
	exe, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here to share memory with")
	}
	out, err := exec.Command(exe, append([]string{"-c", program}, args...)...).CombinedOutput()
	if strings.Contains(string(out), "No module named '_posixshmem'") {
		t.Skip("this python3 has no shared memory")
	}
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}

// untracked keeps Python before 3.13 from unlinking what it has only opened.
const untracked = `
import sys
from multiprocessing import shared_memory, resource_tracker
def keep(m): resource_tracker.unregister(m._name, "shared_memory")
`

func TestPythonOpensASegment(t *testing.T) {
	testkit.LeakCheck(t)
	n := newNamed(t, 5000)
	copy(n.Bytes(), "from Go")
	said := python(t, untracked+`
m = shared_memory.SharedMemory(sys.argv[1]); keep(m)
print(m.size, bytes(m.buf[:7]).decode())
m.buf[4990:5000] = b"fromPython"
m.close()`, n.Name())
	require.Equal(t, "5000 from Go", said)
	require.Equal(t, "fromPython", string(n.Bytes()[4990:]))
}

func TestASegmentOfPython(t *testing.T) {
	testkit.LeakCheck(t)
	name := python(t, untracked+`
m = shared_memory.SharedMemory(create=True, size=777); keep(m)
m.buf[:10] = b"fromPython"
print(m.name)
m.close()`)
	n, err := shm.OpenNamed(name)
	require.NoError(t, err)
	require.EqualValues(t, 777, n.Size())
	require.Equal(t, "fromPython", string(n.Bytes()[:10]))
	require.NoError(t, n.Unlink())
	require.NoError(t, n.Close())
}

func TestPythonMissesAnUnlinkedSegment(t *testing.T) {
	testkit.LeakCheck(t)
	n := newNamed(t, 4096)
	require.NoError(t, n.Unlink())
	said := python(t, untracked+`
try: shared_memory.SharedMemory(sys.argv[1])
except FileNotFoundError: print("not found")`, n.Name())
	require.Equal(t, "not found", said)
}
