package shm

import (
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/sys"
)

// hangs is how long a test waits before it calls something a hang.
const hangs = 20 * time.Second

func sleepOn(w *atomic.Uint32, seen uint32) {
	_ = futex.Wait([]sys.Futex{{Word: w, Val: seen}}, sys.Monotonic()+int64(hangs))
}

func init() {
	roles["block"] = func(a *Arena, _ string) {
		say("ready")
		select {}
	}
	roles["open"] = func(a *Arena, arg string) {
		o, err := a.Open(parseRef(arg), testKind, 0)
		if err != nil {
			say(err)
			return
		}
		o.Bytes()[0]++
		say("opened")
		select {}
	}
	roles["alloc"] = func(a *Arena, arg string) { // allocates and frees for ever
		seed, _ := strconv.ParseUint(arg, 10, 64)
		rng := rand.New(rand.NewPCG(seed, seed))
		say("ready")
		var mine []*Object
		for {
			if len(mine) > 8 {
				i := rng.IntN(len(mine))
				mine[i].Close()
				mine[i] = mine[len(mine)-1]
				mine = mine[:len(mine)-1]
			}
			o, err := a.New(testKind, 0, 1<<rng.IntN(18))
			if err != nil {
				say(err)
				return
			}
			mine = append(mine, o)
			if p, err := a.NewParcel([]Ref{mine[rng.IntN(len(mine))].Ref()}, rng.IntN(100)); err == nil {
				mine = append(mine, p)
			}
		}
	}
}

func TestADeathIsNoticedWithoutAskingTheParent(t *testing.T) {
	a := newArena(t, 4<<20)
	p := start(t, a, "block", "-")
	require.Equal(t, "ready", p.line(t))
	require.True(t, a.Alive(p.self))
	require.NoError(t, p.Signal(syscall.SIGKILL))
	awaitEpoch(t, a, func() bool { return !a.Alive(p.self) }) // nobody calls Bury here
}

func TestASiblingsDeathIsNoticedBySiblings(t *testing.T) {
	a := newArena(t, 4<<20)
	p, q := start(t, a, "block", "-"), start(t, a, "block", "-")
	require.Equal(t, "ready", p.line(t))
	require.Equal(t, "ready", q.line(t))
	p.kill(t)
	q.kill(t)
	awaitEpoch(t, a, func() bool { return !a.Alive(p.self) && !a.Alive(q.self) })
}

func TestAStoppedProcessIsAlive(t *testing.T) {
	a := newArena(t, 4<<20)
	p := start(t, a, "block", "-")
	require.Equal(t, "ready", p.line(t))
	require.NoError(t, p.Signal(syscall.SIGSTOP))
	seen := a.Epoch().Load()
	// Longer than every look around.
	_ = futex.Wait([]sys.Futex{{Word: a.Epoch(), Val: seen}}, sys.Monotonic()+int64(3*lookAround))
	require.True(t, a.Alive(p.self))
	require.NoError(t, p.Signal(syscall.SIGCONT))
	require.True(t, a.Alive(p.self))
}

func TestTheDeadGiveBackWhatTheyHeld(t *testing.T) {
	a := newArena(t, 4<<20)
	o, err := a.New(testKind, 0, 100)
	require.NoError(t, err)
	p := start(t, a, "open", hexRef(o.Ref()))
	require.Equal(t, "opened", p.line(t))
	require.Equal(t, byte(1), o.Bytes()[0])
	ref := o.Ref()
	o.Close()
	require.Equal(t, 1, a.Stats().Blocks, "the child holds it")
	p.kill(t)
	a.Bury(p.self)
	require.Zero(t, a.Stats().Blocks)
	_, err = a.Open(ref, testKind, 0)
	require.ErrorIs(t, err, ErrClosed)
}

func TestAReservedPlaceThatWasWithdrawnCannotBeTaken(t *testing.T) {
	a := newArena(t, 4<<20)
	i, err := a.Reserve()
	require.NoError(t, err)
	a.Bury(i)
	_, err = Attach(a.File(), i)
	require.ErrorContains(t, err, "gave it up")
}

func TestKillsAtAnyMomentLeaveTheArenaEmpty(t *testing.T) {
	a := newArena(t, 64<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	kills := 60
	if testing.Short() {
		kills = 20
	}
	for n := range kills {
		p, q := start(t, a, "alloc", strconv.Itoa(2*n)), start(t, a, "alloc", strconv.Itoa(2*n+1))
		require.Equal(t, "ready", p.line(t))
		require.Equal(t, "ready", q.line(t))
		for range rng.IntN(200_000) { // a random moment, without a clock
			_ = a.Epoch().Load()
		}
		p.kill(t)
		q.kill(t)
		a.Bury(p.self)
		a.Bury(q.self)
		awaitEpoch(t, a, func() bool { return vacated(a, p.self) && vacated(a, q.self) })
		s := a.Stats()
		require.Zero(t, s.Blocks, "after kill %d", n)
	}
	requireAllFree(t, a)
}

// vacated reports whether the burial is over.
func vacated(a *Arena, i Incarnation) bool {
	st := a.slots[i.Slot()].load()
	return st.gen() != i.Generation() || st.phase() == vacant
}

// requireAllFree checks that nothing is left but spans of free blocks.
func requireAllFree(t testing.TB, a *Arena) {
	t.Helper()
	for u := range int(a.head.highWater.Load()) {
		switch p := a.units[u].load().phase(); p {
		case free, span:
		default:
			t.Errorf("unit %d is in phase %d", u, p)
		}
	}
}
