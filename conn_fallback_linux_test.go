package mp

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/sys"
)

// converse sends so many messages of one length to a child, which sends them back.
func converse(t *trial, n int) {
	a, b, err := NewPipe[int64](WithPipeCapacity(1024))
	require.NoError(t, err)
	p, err := addsUp.Start(t.ctx, b)
	require.NoError(t, err)
	sent := begin(func() error {
		for i := range n {
			if err := a.Send(t.ctx, int64(i)); err != nil {
				return err
			}
		}
		return a.CloseSend()
	})
	sum := int64(0)
	for range n {
		v, err := a.Recv(t.ctx)
		require.NoError(t, err)
		sum += v
	}
	require.NoError(t, <-sent)
	require.Equal(t, int64(n)*int64(n-1), sum)
	require.NoError(t, p.Wait(t.ctx))
	require.NoError(t, a.Close())
}

func init() {
	addTrial("noMembarrier", func(t *trial) {
		if err := sys.ForbidSyscalls(syscall.EPERM, sys.SysMembarrier); err != nil {
			t.skip(err.Error())
		}
		Init()
		require.Error(t, sys.RegisterBarrier())
		converse(t, 3000)
	})
	addTrial("noWaitV", func(t *trial) {
		if err := sys.ForbidSyscalls(syscall.ENOSYS, sys.SysFutexWaitV); err != nil {
			t.skip(err.Error())
		}
		Init()
		converse(t, 300)
		a, b, err := NewPipe[int]()
		require.NoError(t, err)
		waiting := make(chan []Waitable, 1)
		go func() {
			ready, _ := Wait(t.ctx, b)
			waiting <- ready
		}()
		eventually(t, func() bool { return awaited(b) }, "a sleeper")
		require.NoError(t, a.Send(t.ctx, 1))
		require.Equal(t, []Waitable{b}, <-waiting)
		require.True(t, futex.Polling())
	})
}

// The kernel, or a sandbox, has no membarrier, or no futex_waitv: all is the same,
// only slower.
func TestPipesWithoutMembarrier(t *testing.T) { try(t, "noMembarrier") }
func TestPipesWithoutWaitV(t *testing.T)      { try(t, "noWaitV") }
