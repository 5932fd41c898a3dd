package shm

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func noSignal() error { return nil }

func TestTheSignalReachesAllDescendantsAndNobodyElse(t *testing.T) {
	a := newArena(t, 4<<20)
	child, other := start(t, a, "block", "-"), start(t, a, "block", "-")
	for _, p := range []*peer{child, other} {
		require.Equal(t, "ready", p.line(t))
	}
	n, err := a.SignalTree(child.self, syscall.SIGKILL, func() error { return child.Signal(os.Kill) })
	require.NoError(t, err)
	require.Zero(t, n, "it has no descendants")
	awaitEpoch(t, a, func() bool { return !a.Alive(child.self) })
	require.True(t, a.Alive(other.self))

	n, err = a.SignalTree(a.Self(), syscall.SIGTERM, noSignal)
	require.NoError(t, err)
	require.Equal(t, 1, n, "those that are left")
	awaitEpoch(t, a, func() bool { return !a.Alive(other.self) })
}

// A place that is reserved when the tree is killed is never taken, and a process that
// is being killed reserves none.
func TestBirthsUnderWayComeToNothing(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"kill": syscall.SIGKILL, "terminate": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			a := newArena(t, 4<<20)
			i, err := a.Reserve()
			require.NoError(t, err)
			_, err = a.SignalTree(a.Self(), sig, noSignal)
			require.NoError(t, err)
			_, err = Attach(a.File(), i)
			require.ErrorIs(t, err, ErrWithdrawn)

			_, err = a.Reserve()
			if sig == syscall.SIGKILL {
				require.ErrorContains(t, err, "being killed")
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// At whatever step of a birth its parent is condemned, either the birth fails or the
// child is found.
func TestNoBirthEscapes(t *testing.T) {
	for at := 0; ; at++ {
		a := newArena(t, 4<<20)
		parent := a.Self()
		steps, found := 0, []Incarnation(nil)
		strike := func() {
			a.condemn(parent)
			found = a.descendants(map[Incarnation]bool{parent: true}, true)
		}
		onMySteps(func(bool) {
			if steps++; steps == at+1 {
				onStep.Store(nil)
				strike()
			}
		})
		i, err := a.Reserve()
		onStep.Store(nil)
		if steps <= at {
			break // it was not that long
		}
		if err == nil {
			require.Contains(t, found, i, "step %d", at)
		}
	}
}

// A stale condemnation does not touch the next process that has the place.
func TestALaterProcessIsNotCondemnedForAnEarlierOne(t *testing.T) {
	a := newArena(t, 4<<20)
	a.nextSlot.Store(6)
	first, err := a.Reserve()
	require.NoError(t, err)
	a.Bury(first)
	a.nextSlot.Store(6)
	second, err := a.Reserve()
	require.NoError(t, err)
	require.Equal(t, first.Slot(), second.Slot())
	a.condemn(second)
	a.condemn(first)
	require.True(t, a.isCondemned(second))
	require.False(t, a.isCondemned(first))
}
