package mp

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

// A survivor is a detached process, as its parent's parent sees it.
type survivor struct {
	Orders *Queue[string]
	Said   *Queue[string]
}

func newSurvivor(t *testing.T) survivor {
	t.Helper()
	orders, err := NewQueue[string](4)
	require.NoError(t, err)
	said, err := NewQueue[string](4)
	require.NoError(t, err)
	t.Cleanup(func() { giveBack(t, []freer{orders, said}) })
	return survivor{orders, said}
}

// hear waits for the next thing the survivor says.
func (s survivor) hear(t *testing.T) string {
	t.Helper()
	got, err := s.Said.Get(t.Context())
	require.NoError(t, err)
	return got
}

// outlives says what it is, waits for its parent's death, and does as it is told.
var outlives = Register("test.outlives", func(ctx context.Context, s survivor) (string, error) {
	say := func(args ...any) { _ = s.Said.Put(context.Background(), fmt.Sprint(args...)) }
	AtExit(func() { say("bye") })
	say(os.Getpid())
	<-Parent().Done()
	say("orphan")
	for order, err := range s.Orders.All(ctx) {
		if err != nil {
			say(context.Cause(ctx))
			return "", err
		}
		switch order {
		case "start":
			n, err := square.Run(ctx, 5)
			say(n, " ", err)
		case "return":
			return "", nil
		}
	}
	return "", nil
})

// leavesBehind starts a process that outlives it.
var leavesBehind = Register("test.leavesBehind", func(ctx context.Context, s survivor) (int, error) {
	p, err := outlives.Start(ctx, s, Detached())
	if err != nil {
		return 0, err
	}
	return p.PID(), nil
})

func TestADetachedProcessOutlivesItsParent(t *testing.T) {
	requireNoLeak(t)
	s := newSurvivor(t)
	pid, err := leavesBehind.Run(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(pid), s.hear(t))
	require.Equal(t, "orphan", s.hear(t), "it has seen its parent's end, and goes on")
	pidfd, err := sys.PidfdOpen(pid)
	require.NoError(t, err)
	defer func() { _ = pidfd.Close() }()
	for _, step := range [][2]string{{"start", "25 <nil>"}, {"return", "bye"}} {
		require.NoError(t, s.Orders.Put(t.Context(), step[0]))
		require.Equal(t, step[1], s.hear(t), "it has children, and shares what it shared")
	}
	require.NoError(t, sys.AwaitExit(pidfd))
	requireAlone(t)
}

// requireAlone waits until the table has nobody but this process: the guardians of
// the others bury who has no parent.
func requireAlone(t *testing.T) {
	t.Helper()
	a, err := arena()
	require.NoError(t, err)
	eventually(t, func() bool { return len(a.Processes()) == 1 }, "everybody else is buried")
}

var locksDetached = Register("test.locksDetached", func(ctx context.Context, in keepArg) (int, error) {
	p, err := keepsLocked.Start(ctx, in, Detached())
	if err != nil {
		return 0, err
	}
	return p.PID(), nil
})

// Nobody is its parent, and yet its death is noticed.
func TestADetachedOrphansDeathIsEverybodysNews(t *testing.T) {
	ctx := t.Context()
	in := newKeepArg(t)
	pid, err := locksDetached.Run(ctx, in)
	require.NoError(t, err)
	_, err = in.Held.Get(ctx)
	require.NoError(t, err)
	locked := make(chan error, 1)
	go func() { locked <- in.Lock.Lock(ctx) }()
	killProcess(pid)
	require.ErrorIs(t, <-locked, ErrOwnerDied)
	require.NoError(t, in.Lock.Recover(ctx, nil))
	requireAlone(t)
}

// _TestProcess.test_daemon_argument: what a process is, its children are not. A
// detached one's child ends with it.
func TestAChildOfADetachedProcessEndsWithIt(t *testing.T) {
	untilTold(t, func() bool { return bereave(t, Detached()) })
	requireAlone(t)
}

// While its parent lives, it is a child like any other.
func TestADetachedProcessIsAChildOfALivingParent(t *testing.T) {
	requireNoLeak(t)
	n, err := square.Run(t.Context(), 4, Detached())
	require.NoError(t, err)
	require.Equal(t, 16, n)
	ctx, cancel := context.WithCancel(t.Context())
	p, err := waits.Start(ctx, false, Detached(), WithGrace(hangs))
	require.NoError(t, err)
	require.Contains(t, ActiveChildren(), p)
	cancel()
	require.ErrorIs(t, p.Wait(t.Context()), context.Canceled)
	p, err = waits.Start(t.Context(), true, Detached())
	require.NoError(t, err)
	require.NoError(t, p.Kill())
	code := -1
	_ = p.Wait(t.Context())
	code, _ = p.ExitCode()
	require.Equal(t, -int(syscall.SIGKILL), code)
}

// _TestProcess.test_parent_process
func TestReferenceProcessParentProcess(t *testing.T) {
	s := newSurvivor(t)
	p, err := startsSurvivor.Start(t.Context(), s)
	require.NoError(t, err)
	pid := s.hear(t)
	require.True(t, p.Alive())
	require.NoError(t, p.Terminate())
	require.Error(t, p.Wait(t.Context()))
	require.Equal(t, "orphan", s.hear(t))
	require.NoError(t, s.Orders.Close())
	require.Equal(t, "bye", s.hear(t), "of process %s", pid)
	requireAlone(t)
}

var startsSurvivor = Register("test.startsSurvivor", func(ctx context.Context, s survivor) (int, error) {
	if _, err := outlives.Start(ctx, s, Detached()); err != nil {
		return 0, err
	}
	select {}
})

func init() {
	scripts["ctrlC"] = func(p *testkit.Peer) {
		signalled := catchInterrupt()
		Init()
		ctx := context.Background()
		var children []*Process
		for _, opts := range [][]ProcessOption{{WithName("child")}, {WithName("detached"), Detached()}} {
			child, err := waits.Start(ctx, true, opts...)
			if err != nil {
				p.Say(err)
				return
			}
			children = append(children, child)
			p.Say(child.Name(), child.PID())
		}
		<-signalled
		err := children[0].Wait(ctx)
		p.Say(err)
		p.Say(children[1].Alive())
		_ = children[1].Kill()
		p.Say(children[1].Wait(ctx))
	}
}

// Ctrl-C is a signal to all processes of the terminal: the parent may catch it, its
// children end, unless they do as well, and a detached one is not reached.
func TestCtrlCReachesChildrenButNotDetachedOnes(t *testing.T) {
	cmd := testkit.Command("ctrlC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c := testkit.Begin(t, cmd)
	require.Contains(t, c.Hear(), "child ")
	require.Contains(t, c.Hear(), "detached ")
	require.NoError(t, syscall.Kill(-c.PID(), syscall.SIGINT))
	require.Contains(t, c.Hear(), "killed by signal 2 (interrupt)")
	require.Equal(t, "true", c.Hear())
	require.Contains(t, c.Hear(), "killed by signal 9 (killed)")
	require.NoError(t, c.Wait())
}
