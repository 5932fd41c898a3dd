package mp

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var returnsWhenTold = Register("test.returnsWhenTold", func(ctx context.Context, q *Queue[int]) (int, error) {
	return q.Get(ctx)
})

func init() {
	addTrial("shutdown", func(t *trial) {
		Init()
		q, err := NewQueue[int](4)
		require.NoError(t, err)
		var all []*Process
		for range 3 {
			p, err := returnsWhenTold.Start(t.ctx, q)
			require.NoError(t, err)
			all = append(all, p)
		}
		pool, err := NewPool(t.ctx, 2)
		require.NoError(t, err)
		pending := waits.Go(t.ctx, pool, false)
		for n := range 3 {
			AtExit(func() { t.Say("hook", n) })
		}
		ended := make(chan error)
		go func() { ended <- Shutdown(t.ctx) }()
		_, err = pending.Get(t.ctx)
		require.ErrorIs(t, err, ErrPoolClosed, "a pool does not end by itself")
		select {
		case <-ended:
			require.Fail(t, "nobody told the processes")
		default:
		}
		for n := range all {
			require.NoError(t, q.Put(t.ctx, n))
		}
		require.NoError(t, <-ended)
		for _, p := range all {
			require.NoError(t, p.Wait(t.ctx))
		}
		require.Empty(t, ActiveChildren())
		require.Empty(t, childPIDs())
		require.NoError(t, Shutdown(t.ctx), "again")
	})

	addTrial("shutdownTimeout", func(t *trial) {
		Init()
		docile, err := waits.Start(t.ctx, false, WithGrace(hangs))
		require.NoError(t, err)
		stubborn, err := waits.Start(t.ctx, true, WithGrace(10*time.Millisecond))
		require.NoError(t, err)
		detached, err := waits.Start(t.ctx, true, Detached())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.ctx)
		cancel()
		err = Shutdown(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "2 processes")
		require.ErrorIs(t, docile.Wait(t.ctx), context.Canceled)
		code, _ := docile.ExitCode()
		require.Equal(t, 1, code, "it ended in an orderly way")
		var exit *ExitError
		require.ErrorAs(t, stubborn.Wait(t.ctx), &exit)
		require.Equal(t, -9, exit.Code)
		require.Equal(t, fmt.Sprint([]*Process{detached}), fmt.Sprint(ActiveChildren()))
		require.NoError(t, detached.Kill())
		<-detached.Done()
	})
}

func TestShutdownWaitsForWhatEndsByItselfAndEndsWhatDoesNot(t *testing.T) {
	said := try(t, "shutdown")
	require.Equal(t, []string{"hook 2", "hook 1", "hook 0"}, said)
}

func TestShutdownEndsWhatIsLeftWhenItsContextDoes(t *testing.T) { try(t, "shutdownTimeout") }
