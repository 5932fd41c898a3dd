package shm

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/sys"
)

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
	for range 10 {
		lookNow(a)
		_ = futex.Wait([]sys.Futex{{Word: a.Epoch(), Val: seen}}, sys.Monotonic()+int64(lookSoon)/5)
	}
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
	require.ErrorIs(t, err, ErrWithdrawn)
}
