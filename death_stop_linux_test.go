package mp

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lookArounds is how often the guardian of a process has gone to sleep: at least
// once in half a second, after it has looked whether somebody has died.
func lookArounds(t testing.TB, pid int) int {
	t.Helper()
	for _, s := range futexSleepers(t, pid) {
		if s.deadline != 0 {
			return switches(t, s.task)
		}
	}
	return -1 // it is awake just now
}

// switches is how many times a thread has gone to sleep.
func switches(t testing.TB, task string) int {
	t.Helper()
	status, err := os.ReadFile(task + "/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if number, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(number))
			require.NoError(t, err)
			return n
		}
	}
	require.Fail(t, "no count of switches", "%s", status)
	return 0
}

// A stopped owner is alive: what it owns, it owns, however often the others look
// around. When it goes on, it goes on as the owner.
func TestNothingIsTakenFromAStoppedProcess(t *testing.T) {
	stop := 3 * time.Second
	if testing.Short() {
		stop = time.Second
	}
	ctx := within(t)
	t.Cleanup(func() { requireEmpty(t) })
	type scene struct {
		ownership
		s     *stage
		owner *actor
		next  <-chan error
	}
	var scenes []*scene
	for _, o := range ownerships {
		c := &scene{ownership: o, s: buildStage(t)}
		c.owner = c.s.hire(t)
		c.next = o.awaited(t, c.s, c.owner)
		scenes = append(scenes, c)
	}
	for _, c := range scenes {
		c.owner.stop()
	}

	me, stoppedAt := os.Getpid(), time.Now()
	before, seen := -1, 0
	eventually(t, func() bool {
		if n := lookArounds(t, me); n >= 0 {
			if before < 0 {
				before = n
			}
			seen = n - before
		}
		return time.Since(stoppedAt) >= stop && seen >= int(stop/(500*time.Millisecond))
	}, "so many look-arounds")
	a, err := arena()
	require.NoError(t, err)
	for _, c := range scenes {
		require.Empty(t, c.next, c.name)
		require.True(t, a.Alive(c.owner.inc), c.name)
		require.True(t, stopped(c.owner.PID()), c.name)
	}
	requireNotFree(t, scenes[0].s.Mutex.TryLock)
	requireNotFree(t, scenes[1].s.Quiet.TryLock)
	requireNotFree(t, scenes[2].s.RW.TryRLock)
	requireNotFree(t, scenes[4].s.RW.TryLock)
	requireNotFree(t, scenes[5].s.RLock.Holder().TryLock)
	requireNotFree(t, scenes[6].s.Bounded.TryAcquire)
	require.ErrorIs(t, scenes[0].s.Mutex.Recover(ctx, nil), ErrHealthy)

	for _, c := range scenes {
		require.NoError(t, c.owner.Signal(syscall.SIGCONT))
		c.releases(c.owner)
		require.NoError(t, <-c.next, c.name)
	}
	for _, c := range scenes {
		require.True(t, c.s.Value.Load().sound())
		counts := c.s.Array.Slice()
		if c.name == "Array.Update" {
			require.Equal(t, []int64{2, 2}, counts[:2], "the owner's and the next one's")
		} else {
			require.Equal(t, []int64{0, 0}, counts[:2], "Once was done by its owner")
		}
	}
}

func requireNotFree(t *testing.T, try func() (bool, error)) {
	t.Helper()
	ok, err := try()
	require.NoError(t, err)
	require.False(t, ok)
}
