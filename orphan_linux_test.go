package mp

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

// Workers of a parent that is going to be killed. Each says what it is and its
// pid.
var (
	spins = Register("test.spins", func(_ context.Context, what string) (int, error) {
		fmt.Println(what, os.Getpid())
		for n := 0; ; n++ { // it looks at nothing, least of all at its context
		}
	})

	stops = Register("test.stops", func(_ context.Context, what string) (int, error) {
		fmt.Println(what, os.Getpid())
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {}
	})

	idles = Register("test.idles", func(ctx context.Context, what string) (int, error) {
		fmt.Println(what, os.Getpid())
		select {}
	})

	// mourns tells of its context's end.
	mourns = Register("test.mourns", func(ctx context.Context, what string) (int, error) {
		fmt.Println(what, os.Getpid())
		<-ctx.Done()
		fmt.Println("cause", context.Cause(ctx))
		return 0, nil
	})
)

// grandchild has a child that outlives its own work.
var grandchild = Register("test.grandchild", func(ctx context.Context, what string) (int, error) {
	if _, err := idles.Start(ctx, what); err != nil {
		return 0, err
	}
	select {}
})

func init() {
	scripts["family"] = func(p *testkit.Peer) {
		Init()
		ctx := context.Background()
		pool, err := NewPool(ctx, 4)
		if err != nil {
			p.Say(err)
			return
		}
		spins.Go(ctx, pool, "busy")
		stops.Go(ctx, pool, "stopped")
		spins.Go(ctx, pool, "busy")
		for _, start := range []func() (*Process, error){
			func() (*Process, error) { return spins.Start(ctx, "busy") },
			func() (*Process, error) { return stops.Start(ctx, "stopped") },
			func() (*Process, error) { return idles.Start(ctx, "idle") },
			func() (*Process, error) { return grandchild.Start(ctx, "grandchild") },
		} {
			if _, err := start(); err != nil {
				p.Say(err)
				return
			}
		}
		// One worker of the pool is idle: its pid is among those of all children.
		for _, c := range ActiveChildren() {
			p.Say("child", c.PID())
		}
		p.Say("family complete")
		p.Hear()
	}
	scripts["busyWorkers"] = func(p *testkit.Peer) {
		Init()
		pool, err := NewPool(context.Background(), busyWorkers)
		if err != nil {
			p.Say(err)
			return
		}
		for range busyWorkers {
			spins.Go(context.Background(), pool, "busy")
		}
		p.Hear()
	}
	scripts["mourned"] = func(p *testkit.Peer) {
		Init()
		pool, err := NewPool(context.Background(), 1)
		if err != nil {
			p.Say(err)
			return
		}
		mourns.Go(context.Background(), pool, "worker")
		if _, err := mourns.Start(context.Background(), "process"); err != nil {
			p.Say(err)
			return
		}
		p.Hear()
	}
}

// busyWorkers is how many a pool has whose parent is killed.
const busyWorkers = 8

// A member is a process of a script's family.
type member struct {
	pid  int
	what string
}

// hearMembers reads lines until so many of the wanted kinds were heard.
func hearMembers(t *testing.T, c *testkit.Child, want map[string]int) (all []member) {
	t.Helper()
	for left := total(want); left > 0; {
		line := c.Hear()
		what, number, _ := strings.Cut(line, " ")
		if want[what] == 0 {
			t.Fatalf("the script says %q", line)
		}
		want[what]--
		left--
		if pid, err := strconv.Atoi(number); err == nil {
			all = append(all, member{pid, what})
		}
	}
	return all
}

func total(counts map[string]int) (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// stopped reports whether a process is stopped by a signal.
func stopped(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "T ")
}

func TestTheFamilyOfAKilledParentEndsAtOnce(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "family")
	members := hearMembers(t, c, map[string]int{"busy": 3, "stopped": 2, "idle": 1, "grandchild": 1, "child": 8, "family": 1})
	family := make([]member, 0, len(members))
	seen := make(map[int]bool)
	for _, m := range members {
		if m.what == "child" {
			continue
		}
		seen[m.pid] = true
	}
	for _, m := range members {
		if m.what == "child" && seen[m.pid] {
			continue
		}
		if m.what == "stopped" {
			eventually(t, func() bool { return stopped(m.pid) }, "a stopped process")
		}
		family = append(family, m)
	}
	require.Len(t, family, 9, "with the idle worker and the one with a child")
	requireEndWithParent(t, c, family)
}

func TestBusyWorkersEndWithTheirParent(t *testing.T) {
	testkit.LeakCheck(t)
	c := testkit.Start(t, "busyWorkers")
	requireEndWithParent(t, c, hearMembers(t, c, map[string]int{"busy": busyWorkers}))
}

// requireEndWithParent kills the parent, and waits for the end of its family.
func requireEndWithParent(t *testing.T, c *testkit.Child, family []member) {
	t.Helper()
	pidfds := make(map[member]*os.File)
	for _, m := range family {
		f, err := sys.PidfdOpen(m.pid)
		require.NoError(t, err)
		pidfds[m] = f
	}
	type end struct {
		member
		after time.Duration
	}
	ends := make(chan end)
	begin := time.Now()
	require.NoError(t, c.Cmd.Process.Kill())
	for m, f := range pidfds {
		go func() {
			if sys.AwaitExit(f) == nil {
				ends <- end{m, time.Since(begin)}
			}
			_ = f.Close()
		}()
	}
	var last time.Duration
	for range pidfds {
		select {
		case e := <-ends:
			t.Logf("%-10s gone after %v", e.what, e.after)
			last = max(last, e.after)
		case <-time.After(hangs):
			t.Fatal("some go on without their parent")
		}
	}
	t.Logf("all gone %v after the parent was killed", last)
}

func TestTheContextOfAnOrphanSaysWhy(t *testing.T) {
	testkit.LeakCheck(t)
	untilTold(t, func() bool {
		c := testkit.Start(t, "mourned")
		hearMembers(t, c, map[string]int{"worker": 1, "process": 1})
		require.NoError(t, c.Cmd.Process.Kill())
		said := []string{c.Hear(), c.Hear()}
		for _, s := range said {
			if s != "" {
				require.Equal(t, "cause "+ErrParentDied.Error(), s)
			}
		}
		return !slices.Contains(said, "")
	})
}

// untilTold repeats a try in which somebody has orphanGrace to tell something, until he
// has: on a busy machine he may have no CPU in that time.
func untilTold(t *testing.T, try func() bool) {
	t.Helper()
	for range 20 {
		if try() {
			return
		}
	}
	t.Error("nobody has told what he saw")
}

// A child in the middle of the tree dies; what is above it goes on.
var bereaved = Register("test.bereaved", func(ctx context.Context, in *Queue[string]) (int, error) {
	_, err := tellsTheCause.Start(ctx, in)
	if err != nil {
		return 0, err
	}
	select {}
})

var tellsTheCause = Register("test.tellsTheCause", func(ctx context.Context, q *Queue[string]) (int, error) {
	if err := q.Put(ctx, "here"); err != nil {
		return 0, err
	}
	<-ctx.Done()
	return 0, q.Put(context.Background(), context.Cause(ctx).Error())
})

func TestAGrandchildEndsWithItsOwnParent(t *testing.T) {
	warmUp(t)
	testkit.LeakCheck(t)
	untilTold(t, func() bool { return bereave(t) })
	requireEmpty(t)
}

// bereave kills the parent of a grandchild, which tells why its context ended, unless it
// had no time for that.
func bereave(t *testing.T, options ...ProcessOption) bool {
	ctx := t.Context()
	q, err := NewQueue[string](2)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	p, err := bereaved.Start(ctx, q, options...)
	require.NoError(t, err)
	s, err := q.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "here", s)
	require.NoError(t, p.Kill())
	bounded, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err = q.Get(bounded)
	require.Error(t, p.Wait(ctx))
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return false
	}
	require.Equal(t, ErrParentDied.Error(), s)
	return true
}

func TestAStoppedProcessKeepsWhatItHolds(t *testing.T) {
	ctx := t.Context()
	in := newKeepArg(t)
	p, err := keepsLocked.Start(ctx, in)
	require.NoError(t, err)
	_, err = in.Held.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, p.Signal(syscall.SIGSTOP))
	ok, err := in.Lock.TryLock()
	require.NoError(t, err, "it is alive")
	require.False(t, ok)
	require.NoError(t, p.Signal(syscall.SIGCONT))
	require.NoError(t, in.Release.Put(ctx, 1))
	require.NoError(t, p.Wait(ctx))
	require.NoError(t, in.Lock.Lock(ctx))
	require.NoError(t, in.Lock.Unlock())
}
