package shm

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	roles["report"] = func(_ *Arena, k string) { // its guardian is killed before its k-th step from now
		n, _ := strconv.ParseInt(k, 10, 64)
		at(n, die)
		say("ready")
		select {}
	}
	roles["mourn-only"] = func(a *Arena, arg string) { // mourn, but report none of those
		list := strings.Split(arg, ",")
		for _, s := range list {
			i, _ := strconv.ParseUint(s, 10, 32)
			blind(a, Incarnation(i))
		}
		roles["mourn"](a, list[0])
	}
}

// Somebody dies. The one who notices it is killed as well, before each step of its
// report; another one, stopped until then, has to do it all.
func TestADeathIsReportedThoughTheReporterIsKilled(t *testing.T) {
	for k := 1; ; k++ {
		a := newArena(t, 4<<20)
		victim, reporter := start(t, a, "block", "-"), start(t, a, "report", fmt.Sprint(k))
		require.Equal(t, "ready", victim.line(t))
		require.Equal(t, "ready", reporter.line(t))
		blind(a, victim.self)
		blind(a, reporter.self)
		sleeper := start(t, a, "mourn-only", fmt.Sprintf("%d,%d", uint32(victim.self), uint32(reporter.self)))
		next := start(t, a, "block", "-")
		require.Equal(t, "ready", sleeper.line(t))
		require.Equal(t, "ready", next.line(t))
		require.NoError(t, next.Signal(syscall.SIGSTOP))
		require.True(t, next.awaitStop(nil))

		victim.kill(t)
		survives := k > reportSteps
		if !survives {
			reporter.await()
		}
		require.NoError(t, next.Signal(syscall.SIGCONT))
		require.Equal(t, "gone", sleeper.line(t))
		awaitEpoch(t, a, func() bool { return survives || !a.Alive(reporter.self) })
		for _, p := range []*peer{victim, reporter, sleeper, next} {
			_ = p.Signal(syscall.SIGKILL) // some are dead
			p.await()
			a.Bury(p.self)
		}
		requireClean(t, a, 0, "killed before step %d", k)
		if survives {
			return
		}
	}
}

// reportSteps is how many steps a report takes: the declaration, the epoch, the
// wake-up, and the note that it was announced.
const reportSteps = 4
