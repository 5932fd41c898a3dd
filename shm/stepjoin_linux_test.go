package shm

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/stepkill"
)

var stepEvery = flag.Int("step.every", 0, "kill after every so manyth instruction, too")

// A newcomer joins the arena under a tracer's eyes. Only one thread can be stepped, so
// that what is the guardian's part in it, which is the middle, is done here by the same
// thread as the rest.
func newcomer(f *os.File, self Incarnation) error {
	seg, err := MapSegment(f)
	if err != nil {
		return err
	}
	a := view(seg)
	from, me := a.slots[self.Slot()].load(), myself()
	stepkill.Offer(func(thread int) { say(thread) }, func() {
		a.self, a.parent = self, from.owner()
		if a.slots[self.Slot()].describe(me, from) {
			_, _ = a.takePlace(from)
		}
		a.appear()
	})
	return nil
}

// observe starts a newcomer and takes it, at the beginning of its joining.
func observe(t *testing.T, a *Arena) (*peer, *stepkill.Victim) {
	self, err := a.Reserve()
	require.NoError(t, err)
	p := startPart(t, a, part{self, "usual", newcomerRole, "-"})
	var thread int
	_, err = fmt.Sscan(p.line(t), &thread)
	require.NoError(t, err)
	v, err := stepkill.Take(p.PID(), thread)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		t.Skip("no process may be traced here:", err)
	}
	require.NoError(t, err)
	p.tell()
	require.NoError(t, v.Begin())
	return p, v
}

// A process is killed in each state that it has while it joins. Its place comes back,
// and nothing else is left.
func TestAKillBetweenAnyTwoStatesOfJoining(t *testing.T) {
	if race.Enabled {
		t.Skip("the instructions that count are those without the race detector")
	}
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	for _, variable := range stepkill.Quiet {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	a := newArena(t, 4<<20)
	leave := func(p *peer, v *stepkill.Victim, after int) {
		require.NoError(t, v.Kill())
		p.await()
		a.Bury(p.self)
		require.False(t, a.Alive(p.self), "killed after instruction %d", after)
		awaitEpoch(t, a, func() bool { return vacated(a, p.self) })
		requireClean(t, a, 0, "killed after instruction %d", after)
	}
	p, v := observe(t, a)
	path, err := v.Explore(a.File(), func(int) {})
	require.NoError(t, err)
	require.True(t, a.Alive(p.self))
	leave(p, v, path.Len())
	require.Greater(t, len(path.Visible), 5)
	picked := slices.Clone(path.Visible)
	for k := *stepEvery; k > 0 && k < path.Len(); k += *stepEvery {
		picked = append(picked, k)
	}
	for _, k := range picked {
		p, v := observe(t, a)
		require.NoError(t, v.Follow(path, k))
		require.Equal(t, k == path.Len(), v.Over())
		leave(p, v, k)
	}
	t.Logf("%d instructions, killed after %d of them", path.Len(), len(picked)+1)
}
