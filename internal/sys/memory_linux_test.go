package sys_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

func init() {
	scripts["greedy"] = greedy
	scripts["without memfd"] = func(p *testkit.Peer) {
		for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.EPERM} {
			if err := sys.ForbidSyscalls(errno, sys.SysMemfdCreate); err != nil {
				p.Say("cannot forbid:", err)
				return
			}
			_, err := sys.Memfd("x", 4096)
			p.Say(err)
		}
	}
}

func memfd(t *testing.T, size int64) *os.File {
	f, err := sys.Memfd("test", size)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// blocks is how much memory a file has, in bytes.
func blocks(t *testing.T, f *os.File) int64 {
	st, err := f.Stat()
	require.NoError(t, err)
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}

func TestMemfdHasAFixedSize(t *testing.T) {
	testkit.LeakCheck(t)
	f := memfd(t, 1<<20)
	st, err := f.Stat()
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, st.Size())
	require.ErrorIs(t, f.Truncate(1<<19), fs.ErrPermission)
	require.ErrorIs(t, f.Truncate(1<<21), fs.ErrPermission)
	seals, err := sys.Seals(f)
	require.NoError(t, err)
	require.Equal(t, sys.SealSeal|sys.SealShrink|sys.SealGrow, seals&(sys.SealSeal|sys.SealShrink|sys.SealGrow))
}

func TestMemfdIsSparse(t *testing.T) {
	require.Zero(t, blocks(t, memfd(t, 64<<30)))
}

func TestMemfdRefusesBadSizes(t *testing.T) {
	testkit.LeakCheck(t)
	for _, size := range []int64{0, -1, -1 << 63} {
		_, err := sys.Memfd("test", size)
		require.ErrorIs(t, err, syscall.EINVAL)
	}
}

func TestMemfdIsClosedByExec(t *testing.T) {
	f := memfd(t, 4096)
	c := testkit.Start(t, "idle")
	require.Equal(t, "ready", c.Hear())
	for _, target := range openFiles(t, c.PID()) {
		require.NotContains(t, target, "memfd:", f.Name())
	}
}

func TestForbiddenMemfdNamesTheCure(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "without memfd")
	for range 2 {
		line := c.Hear()
		require.Contains(t, line, "forbidden to make shared memory")
		require.Contains(t, line, "seccomp")
	}
	require.NoError(t, c.Wait())
}

func TestReserveAndDiscard(t *testing.T) {
	testkit.LeakCheck(t)
	const size = 40 << 20 // more than one call's worth
	f := memfd(t, 64<<20)
	_, err := f.WriteAt([]byte("kept"), 0)
	require.NoError(t, err)
	require.NoError(t, sys.Reserve(f, 0, size))
	require.EqualValues(t, size, blocks(t, f))
	require.Equal(t, "kept", read(t, f, 4))

	require.NoError(t, sys.Discard(f, 0, size))
	require.Zero(t, blocks(t, f))
	require.Equal(t, "\x00\x00\x00\x00", read(t, f, 4))
}

func read(t *testing.T, f *os.File, n int64) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, n))
	require.NoError(t, err)
	return string(b)
}

func TestReserveUnderSignals(t *testing.T) {
	testkit.LeakCheck(t)
	self, err := sys.PidfdOpen(os.Getpid())
	require.NoError(t, err)
	defer func() { _ = self.Close() }()
	f := memfd(t, 48<<20)
	reserved := make(chan error, 1)
	go func() { reserved <- sys.Reserve(f, 0, 48<<20) }()
	for len(reserved) == 0 {
		_ = sys.PidfdSignal(self, syscall.SIGURG) // means nothing to a Go program
	}
	require.NoError(t, <-reserved)
	require.EqualValues(t, 48<<20, blocks(t, f))
}

func TestReserveErrors(t *testing.T) {
	f := memfd(t, 1<<20)
	require.Error(t, sys.Reserve(f, 0, 2<<20), "beyond the sealed size")
	require.ErrorIs(t, sys.Reserve(f, 0, 0), syscall.EINVAL)
	require.ErrorIs(t, sys.Reserve(f, -1, 1), syscall.EINVAL)
	require.NoError(t, f.Close())
	require.ErrorIs(t, sys.Reserve(f, 0, 4096), os.ErrClosed)
	require.ErrorIs(t, sys.Discard(f, 0, 4096), os.ErrClosed)
	_, err := sys.Seals(f)
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestReserveAsksBeforeItTakes(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "greedy")
	answer := c.Hear()
	if answer == "cannot try" {
		t.Skip("it is not known how much memory there is, or whom the kernel would kill for it")
	}
	require.Equal(t, "true 0", answer)
	require.Equal(t, "true", c.Hear())
	require.NoError(t, c.Wait())
}

// greedy asks for more memory than there is.
func greedy(p *testkit.Peer) {
	have, ok := sys.MemAvailable()
	if !ok || !testkit.DieFirst() {
		p.Say("cannot try")
		return
	}
	size := 2*have + 1<<30
	f, err := sys.Memfd("greedy", size)
	if err != nil {
		p.Say(err)
		return
	}
	err = sys.Reserve(f, 0, size)
	st, _ := f.Stat()
	p.Say(errors.Is(err, syscall.ENOMEM), st.Sys().(*syscall.Stat_t).Blocks)
	_, err = sys.CreateShared(sys.SharedDir, "mp-test-greedy", size)
	p.Say(errors.Is(err, syscall.ENOMEM))
}

func TestSealsOfAnOrdinaryFile(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _, _ = r.Close(), w.Close() }()
	_, err = sys.Seals(r)
	require.ErrorIs(t, err, syscall.EINVAL)
}

func TestCreateSharedOfATakenName(t *testing.T) {
	testkit.LeakCheck(t)
	f, err := sys.CreateShared(sys.SharedDir, "mp-test-shared", 4096)
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.Remove(sys.SharedDir + "/mp-test-shared") })
	require.NoError(t, f.Close())

	_, err = sys.CreateShared(sys.SharedDir, "mp-test-shared", 4096)
	require.ErrorIs(t, err, fs.ErrExist)
}
