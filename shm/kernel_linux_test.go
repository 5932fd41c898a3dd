package shm

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
)

func futexWait(w *shared.Uint32, seen uint32) error {
	return futex.Wait([]sys.Futex{{Word: w, Val: seen}}, sys.Monotonic()+int64(hangs))
}

func init() {
	worlds["no-waitv"] = func(string) error { return sys.ForbidSyscalls(syscall.ENOSYS, sys.SysFutexWaitV) }
	worlds["no-robust"] = func(string) error { return sys.ForbidSyscalls(syscall.EPERM, sys.SysSetRobustList) }
	worlds["neither"] = func(string) error {
		return sys.ForbidSyscalls(syscall.ENOSYS, sys.SysFutexWaitV, sys.SysSetRobustList)
	}
}

// On poorer kernels, and in sandboxes, deaths are noticed all the same.
func TestDeathsAreNoticedOnPoorerKernels(t *testing.T) {
	for _, world := range []string{"usual", "no-waitv", "no-robust", "neither"} {
		for _, polling := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, polling here %v", world, polling), func(t *testing.T) {
				futex.SetPolling(polling)
				defer futex.SetPolling(false)
				a := newArena(t, 4<<20)
				p := startIn(t, a, world, "block", "-")
				require.Equal(t, "ready", p.line(t))
				q := startIn(t, a, world, "mourn", fmt.Sprint(uint32(p.self)))
				require.Equal(t, "ready", q.line(t))
				blind(a, p.self)
				p.kill(t)
				require.Equal(t, "gone", q.line(t), "its sibling notices it")
				q.kill(t)
				awaitEpoch(t, a, func() bool { return !a.Alive(q.self) }) // and so do we
				a.Bury(p.self)
				a.Bury(q.self)
				requireClean(t, a, 0)
			})
		}
	}
}

func startIn(t *testing.T, a *Arena, world, role, arg string) *peer {
	self, err := a.Reserve()
	require.NoError(t, err)
	return startPart(t, a, part{self, world, role, arg})
}
