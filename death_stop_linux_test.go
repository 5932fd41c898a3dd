package mp

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// lookArounds is how often the guardian of a process has gone to sleep, after it has
// looked whether somebody has died.
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
	const stop = time.Second
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

	a, err := arena()
	require.NoError(t, err)
	table := &testkit.MapWords(t, a.File())[tableWord/4]
	for stoppedAt := time.Now(); time.Since(stoppedAt) < stop; {
		awaitLookArounds(t, table, 10)
	}
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
