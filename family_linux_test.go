package mp

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
)

// catchInterrupt makes SIGINT a message.
func catchInterrupt() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	return c
}

// A dynasty is a tree of processes: as many children each, for so many generations,
// and every second one of them detached. Each says its pid when it has all children.
type dynasty struct {
	Generations, Children int
	Said                  *Queue[int]
	Endless               bool // go on starting children
}

var reigns *Func[dynasty, struct{}]

func init() {
	reigns = Register("test.reigns", func(ctx context.Context, d dynasty) (struct{}, error) {
		below := d
		below.Generations--
		for n := 0; d.Generations > 0 && (n < d.Children || d.Endless); n++ {
			var opts []ProcessOption
			if n%2 == 0 {
				opts = append(opts, Detached())
			}
			if _, err := reigns.Start(ctx, below, opts...); err != nil {
				return struct{}{}, err
			}
		}
		if err := d.Said.Put(ctx, os.Getpid()); err != nil {
			return struct{}{}, err
		}
		select {}
	})
}

// found starts a dynasty and returns its first process and all others' pidfds.
func (d dynasty) found(t *testing.T) (*Process, []*os.File) {
	t.Helper()
	p, err := reigns.Start(t.Context(), d)
	require.NoError(t, err)
	var all []*os.File
	size := 0
	for n, level := d.Generations, 1; n >= 0; n, level = n-1, level*d.Children {
		size += level
	}
	for range size {
		pid, err := d.Said.Get(t.Context())
		require.NoError(t, err)
		if pid == p.PID() {
			continue
		}
		f, err := sys.PidfdOpen(pid)
		require.NoError(t, err)
		t.Cleanup(func() { _ = f.Close() })
		all = append(all, f)
	}
	require.Len(t, all, size-1)
	return p, all
}

func TestAWholeTreeIsEnded(t *testing.T) {
	said, err := NewQueue[int](20)
	require.NoError(t, err)
	for sig, end := range map[syscall.Signal]func(*Process) error{
		syscall.SIGKILL: (*Process).KillTree,
		syscall.SIGTERM: (*Process).TerminateTree,
		syscall.SIGINT:  (*Process).InterruptTree,
	} {
		p, others := dynasty{Generations: 2, Children: 3, Said: said}.found(t)
		bystander, err := waits.Start(t.Context(), true)
		require.NoError(t, err)
		require.NoError(t, end(p))
		var exit *ExitError
		require.ErrorAs(t, p.Wait(t.Context()), &exit)
		require.Equal(t, sig, exit.Signal)
		for _, f := range others {
			require.NoError(t, sys.AwaitExit(f))
		}
		require.True(t, bystander.Alive())
		require.NoError(t, bystander.Kill())
		<-bystander.Done()
		requireAlone(t)
		require.ErrorIs(t, end(p), os.ErrProcessDone, "nobody is left")
	}
}

// Its detached children are still a dead process's.
func TestAWholeTreeIsEndedWithoutItsRoot(t *testing.T) {
	said, err := NewQueue[int](20)
	require.NoError(t, err)
	p, others := dynasty{Generations: 1, Children: 1, Said: said}.found(t)
	require.NoError(t, p.Kill())
	require.Error(t, p.Wait(t.Context()))
	dead, err := sys.Exited(others[0])
	require.NoError(t, err)
	require.False(t, dead, "it is detached")
	require.NoError(t, p.KillTree())
	require.NoError(t, sys.AwaitExit(others[0]))
	requireAlone(t)
}

// The tree is killed while all of it starts processes as fast as it can. Nobody gets
// away.
func TestNobodyIsBornWhileTheTreeIsKilled(t *testing.T) {
	const rounds = 8
	said, err := NewQueue[int](4096)
	require.NoError(t, err)
	for round := range rounds {
		p, err := reigns.Start(t.Context(), dynasty{Generations: 2, Endless: true, Said: said})
		require.NoError(t, err)
		for range 1 + round%5 {
			_, err := said.Get(t.Context()) // leaves are born
			require.NoError(t, err)
		}
		require.NoError(t, p.KillTree())
		<-p.Done()
		requireAlone(t)
		for _, err := said.TryGet(); err == nil; _, err = said.TryGet() {
			continue
		}
	}
}
