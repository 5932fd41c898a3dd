package mp

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
)

// withOwnMounts gives a script a mount namespace of its own, and, if it is not
// root's, a user namespace in which it may mount.
func withOwnMounts(cmd *exec.Cmd) {
	attr := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
}

// coverProc makes /proc an empty folder.
func coverProc(t *trial) {
	if err := syscall.Mount("none", "/proc", "tmpfs", 0, ""); err != nil {
		t.skip("this machine lets nobody mount here: " + err.Error())
	}
	_, err := os.Stat("/proc/self/exe")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func init() {
	addTrial("noProc", func(t *trial) {
		coverProc(t)
		Init()
		v, err := NewValue[int64](3)
		require.NoError(t, err, "objects need no /proc")
		q, err := NewQueue[string](2)
		require.NoError(t, err)
		before := inUse()

		for what, start := range starts(t.ctx, v) {
			err := start()
			require.ErrorContains(t, err, "/proc", what)
			require.ErrorContains(t, err, "mounted", what)
			require.ErrorIs(t, err, os.ErrNotExist, what)
		}
		require.Empty(t, ActiveChildren())
		require.Equal(t, before, inUse(), "nothing is left of the attempts")
		require.NoError(t, q.Put(t.ctx, "works"))
		s, err := q.Get(t.ctx)
		require.NoError(t, err)
		require.Equal(t, "works", s)
		require.Equal(t, int64(3), v.Load())
	})

	addTrial("procGoes", func(t *trial) {
		Init()
		pool, err := NewPool(t.ctx, 1)
		require.NoError(t, err)
		_, err = square.Call(t.ctx, pool, 2)
		require.NoError(t, err)
		coverProc(t)
		n, err := square.Call(t.ctx, pool, 3)
		require.NoError(t, err, "a pool that is there goes on")
		require.Equal(t, 9, n)
		_, err = fails.Call(t.ctx, pool, "kill")
		var died *WorkerDiedError
		require.ErrorAs(t, err, &died)
		require.Equal(t, syscall.SIGKILL, died.Signal)
		_, err = square.Call(t.ctx, pool, 3)
		require.ErrorContains(t, err, "/proc", "there is no worker any more, and no way to a new one")
		require.ErrorContains(t, pool.Close(), "/proc")
		require.Empty(t, ActiveChildren())
	})

	addTrial("noMemfd", func(t *trial) {
		Init()
		require.NoError(t, sys.ForbidSyscalls(syscall.EPERM, sys.SysMemfdCreate))
		for what, make := range map[string]func() error{
			"NewValue": func() error { _, err := NewValue(1); return err },
			"NewArray": func() error { _, err := NewArray[int](1); return err },
			"NewMutex": func() error { _, err := NewMutex(); return err },
			"NewQueue": func() error { _, err := NewQueue[int](1); return err },
			"Start":    func() error { _, err := square.Start(t.ctx, 1); return err },
			"Run":      func() error { _, err := square.Run(t.ctx, 1); return err },
			"NewPool":  func() error { _, err := NewPool(t.ctx, 1); return err },
		} {
			err := make()
			require.ErrorIs(t, err, syscall.EPERM, what)
			require.ErrorContains(t, err, "memfd_create", what)
			require.ErrorContains(t, err, "sandbox", what)
		}
		require.Empty(t, childPIDs())
	})

	addTrial("memfdGoes", func(t *trial) {
		Init()
		v, err := NewValue[int64](3)
		require.NoError(t, err)
		before := inUse()
		require.NoError(t, sys.ForbidSyscalls(syscall.EPERM, sys.SysMemfdCreate))
		for what, start := range starts(t.ctx, v) {
			require.ErrorContains(t, start(), "memfd_create", what)
		}
		require.Empty(t, childPIDs())
		require.Equal(t, before, inUse(), "nothing is left of the attempts")
		w, err := NewValue[int64](4)
		require.NoError(t, err, "the arena is there")
		require.Equal(t, int64(7), v.Load()+w.Load())
	})

	// A kernel before 5.16 has no futex_waitv, one before 5.3 no pidfds.
	addTrial("oldKernel", func(t *trial) {
		require.NoError(t, sys.ForbidSyscalls(syscall.ENOSYS, sys.SysFutexWaitV, sys.SysPidfdOpen))
		Init()
		pool, err := NewPool(t.ctx, 2)
		require.NoError(t, err)
		out, err := square.Map(t.ctx, pool, []int{1, 2, 3, 4, 5})
		require.NoError(t, err)
		require.Equal(t, []int{1, 4, 9, 16, 25}, out)
		_, err = fails.Call(t.ctx, pool, "kill")
		var died *WorkerDiedError
		require.ErrorAs(t, err, &died)

		lock, err := NewMutex()
		require.NoError(t, err)
		_, err = diesLocked.Run(t.ctx, lock)
		require.Error(t, err)
		require.ErrorIs(t, lock.Lock(t.ctx), ErrOwnerDied)
		require.NoError(t, lock.Recover(t.ctx, nil))
		require.NoError(t, lock.Lock(t.ctx))
		require.NoError(t, pool.Close())
	})
}

// starts are the ways to start a process.
func starts(ctx context.Context, v *Value[int64]) map[string]func() error {
	return map[string]func() error{
		"Start":        func() error { _, err := square.Start(ctx, 1); return err },
		"Run":          func() error { _, err := square.Run(ctx, 1); return err },
		"NewPool":      func() error { _, err := NewPool(ctx, 2); return err },
		"with handles": func() error { _, err := takesValue.Run(ctx, []*Value[int64]{v}); return err },
	}
}

// diesLocked is killed while it holds the lock.
var diesLocked = Register("test.diesLocked", func(ctx context.Context, m *Mutex) (int, error) {
	if err := m.Lock(ctx); err != nil {
		return 0, err
	}
	killProcess(os.Getpid())
	select {}
})

func TestWithoutProcNothingIsStarted(t *testing.T)       { try(t, "noProc", withOwnMounts) }
func TestAPoolWhoseProcWasUnmounted(t *testing.T)        { try(t, "procGoes", withOwnMounts) }
func TestWithoutMemfdThereIsAClearError(t *testing.T)    { try(t, "noMemfd") }
func TestWithoutMemfdNothingIsStartedLater(t *testing.T) { try(t, "memfdGoes") }
func TestAnOldKernelIsSlowerButGoodEnough(t *testing.T)  { try(t, "oldKernel") }
