package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// groupLimit is how much memory the processes of a test may have together.
const groupLimit = 192 << 20

// A memoryGroup is a control group of the kernel, of version 2 or 1, that limits
// memory. It is the test's, which removes it.
type memoryGroup struct{ dir string }

// newMemoryGroup makes one below this process's own, or skips the test where this
// process may not.
func newMemoryGroup(t *testing.T) memoryGroup {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	require.NoError(t, err)
	why := errors.New("this process is in none")
	for line := range strings.Lines(string(own)) {
		var g memoryGroup
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, group
		name := fmt.Sprint("mp-test-", os.Getpid())
		switch {
		case len(f) == 3 && f[1] == "memory":
			g.dir = filepath.Join("/sys/fs/cgroup/memory", f[2], name)
			why = g.make("memory.limit_in_bytes", "memory.swappiness")
		case len(f) == 3 && f[1] == "":
			g.dir = filepath.Join("/sys/fs/cgroup", f[2], name)
			why = g.make("memory.max", "memory.swap.max")
		default:
			continue
		}
		if why == nil {
			t.Cleanup(func() {
				eventually(t, func() bool { return !errors.Is(syscall.Rmdir(g.dir), syscall.EBUSY) }, "an empty group")
			})
			return g
		}
	}
	t.Skip("no control group that limits memory can be made here: ", why)
	return memoryGroup{}
}

// make makes the folder, and writes the limit. What is written to the file swap keeps
// the kernel from swapping, which would take long; not every kernel has it.
func (g memoryGroup) make(limit, swap string) error {
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return err
	}
	if err := g.write(limit, strconv.Itoa(groupLimit)); err != nil {
		_ = syscall.Rmdir(g.dir)
		return err
	}
	_ = g.write(swap, "0")
	return nil
}

func (g memoryGroup) write(file, text string) error {
	return os.WriteFile(filepath.Join(g.dir, file), []byte(text), 0)
}

// join moves this process, which has no children yet, into the group.
func (g memoryGroup) join() error { return g.write("cgroup.procs", strconv.Itoa(os.Getpid())) }

const memoryGroupName = "MP_TEST_MEMORY_GROUP"

// touches takes so many bytes of memory for good, and then dies of a signal, if it is
// not 0.
var touches = Register("test.touches", func(_ context.Context, in need) (int, error) {
	if !testkit.DieFirst() {
		return 0, errors.New("it would not die")
	}
	b := make([]byte, in.Bytes)
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
	}
	if in.Signal != 0 {
		return 0, signalSelf(in.Signal)
	}
	return len(b), nil
})

// standsBy waits. The kernel often kills a second process before the first has given
// its memory back: one of these, if there are any.
var standsBy = Register("test.standsBy", func(ctx context.Context, ready *Event) (int, error) {
	if !testkit.DieFirst() {
		return 0, errors.New("it would not die")
	}
	if err := ready.Set(); err != nil {
		return 0, err
	}
	<-ctx.Done()
	return 0, nil
})

// standBy starts some that stand by.
func standBy(t *trial, n int) {
	for range n {
		ready, err := NewEvent()
		require.NoError(t, err)
		_, err = standsBy.Start(t.ctx, ready)
		require.NoError(t, err)
		require.NoError(t, ready.Wait(t.ctx))
	}
}

type need struct {
	Bytes  int
	Signal syscall.Signal
}

func init() {
	addTrial("oomKilled", func(t *trial) {
		if err := (memoryGroup{os.Getenv(memoryGroupName)}).join(); err != nil {
			t.skip("a process cannot change its control group here: " + err.Error())
		}
		Init()
		standBy(t, 6)
		pool, err := NewPool(t.ctx, 2)
		require.NoError(t, err)
		for range 2 {
			_, err = touches.Call(t.ctx, pool, need{Bytes: 4 * groupLimit})
			var died *WorkerDiedError
			require.ErrorAs(t, err, &died)
			require.True(t, died.OOM)
			require.Equal(t, syscall.SIGKILL, died.Signal)
			require.Equal(t, "test.touches", died.Func)
			require.ErrorContains(t, err, "out of memory")
		}
		_, err = touches.Run(t.ctx, need{Bytes: 4 * groupLimit})
		var exit *ExitError
		require.ErrorAs(t, err, &exit)
		require.True(t, exit.OOM)

		// Each kill of the kernel's is one process's.
		_, err = touches.Run(t.ctx, need{Bytes: 1, Signal: syscall.SIGKILL})
		require.ErrorAs(t, err, &exit)
		require.False(t, exit.OOM)

		all, err := touches.Map(t.ctx, pool, []need{{Bytes: 1}, {Bytes: 2}, {Bytes: 3}})
		require.NoError(t, err)
		require.Equal(t, []int{1, 2, 3}, all)
		eventually(t, func() bool { return pool.Stats().Workers == 2 }, "a pool of its full number")
		require.NoError(t, pool.Close())
	})
}

// Whoever the kernel kills because a control group has no memory left died of that, and
// costs its own call alone.
func TestAWorkerThatTheKernelKillsForMemorySaysSo(t *testing.T) {
	skipWithDetector(t)
	g := newMemoryGroup(t)
	try(t, "oomKilled", func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, memoryGroupName+"="+g.dir) })
}
