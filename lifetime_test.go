package mp

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFreeGivesAnObjectBackAtOnce(t *testing.T) {
	requireEmpty(t)
	c := newCargo(t)
	s := newSyncObjects(t)
	all := append([]freer{c.Count, c.Pair, c.Array, c.Lock, c.Log}, s.all()...)
	require.Equal(t, len(all)+1, inUse(), "and the lock of the Cond")
	giveBack(t, all)
	require.Zero(t, inUse())

	a, err := arena()
	require.NoError(t, err)
	large, err := NewArray[byte](64 << 20)
	require.NoError(t, err)
	units := a.Stats().Units
	require.NoError(t, large.Free())
	require.LessOrEqual(t, a.Stats().Units, units-64<<20/(64<<10))
}

func TestTheGarbageCollectorGivesObjectsBack(t *testing.T) {
	requireEmpty(t)
	func() {
		c := newCargo(t)
		s := newSyncObjects(t)
		require.NoError(t, c.touch(t.Context(), "me"))
		require.Equal(t, 5+9, inUse())
		runtime.KeepAlive(s)
		runtime.KeepAlive(c)
	}()
	requireEmpty(t)
}

func TestAReachableHandleIsNotCollected(t *testing.T) {
	v, err := NewValue[int64](3)
	require.NoError(t, err)
	for range 5 {
		runtime.GC()
		w, err := NewValue[int64](4) // would take the place
		require.NoError(t, err)
		require.Equal(t, int64(3), v.Load())
		require.NoError(t, w.Free())
	}
	require.NoError(t, v.Free())
}

// holds says that it has the cargo, and ends as it is told.
var holds = Register("test.holds", func(ctx context.Context, in holdArg) (int, error) {
	defer runtime.KeepAlive(in) // it holds the cargo, used or not
	if err := in.Ready.Put(ctx, os.Getpid()); err != nil {
		return 0, err
	}
	if in.Own {
		var t panicking
		mine := newCargo(t)
		defer runtime.KeepAlive(mine)
		if err := mine.touch(ctx, "me"); err != nil {
			return 0, err
		}
	}
	how, err := in.How.Get(ctx)
	if err != nil {
		return 0, err
	}
	switch how {
	case "exit":
		os.Exit(3)
	case "panic":
		panic("alas")
	case "return":
		return 1, nil
	}
	select {}
})

type holdArg struct {
	Cargo cargo
	Own   bool
	Ready *Queue[int]
	How   *Queue[string]
}

func TestADeathGivesBackWhatTheDeadHeld(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	ready, err := NewQueue[int](1)
	require.NoError(t, err)
	how, err := NewQueue[string](1)
	require.NoError(t, err)
	before := inUse()
	for _, end := range []string{"kill", "exit", "panic", "return"} {
		c := newCargo(t)
		p, err := holds.Start(ctx, holdArg{c, true, ready, how})
		require.NoError(t, err)
		_, err = ready.Get(ctx)
		require.NoError(t, err)
		c.free(t)
		require.GreaterOrEqual(t, inUse(), before+5, "the child has the last handles")
		if end == "kill" {
			require.NoError(t, p.Kill())
		} else {
			require.NoError(t, how.Put(ctx, end))
		}
		err = p.Wait(ctx)
		require.Equal(t, end == "return", err == nil, "%v", err)
		require.Equal(t, before, inUse(), "when Wait returns, what the child held is back: %s", end)
	}
	giveBack(t, []freer{ready, how})
	require.Zero(t, inUse())
}

func TestAnObjectLivesAsLongAsAnyProcessHoldsIt(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	ready, err := NewQueue[int](2)
	require.NoError(t, err)
	how, err := NewQueue[string](2)
	require.NoError(t, err)
	c := newCargo(t)
	in := holdArg{c, false, ready, how}
	p, err := holds.Start(ctx, in)
	require.NoError(t, err)
	q, err := holds.Start(ctx, in)
	require.NoError(t, err)
	for range 2 {
		_, err = ready.Get(ctx)
		require.NoError(t, err)
	}
	ref, err := c.Count.MarshalCBOR()
	require.NoError(t, err)
	c.free(t)
	require.NoError(t, p.Kill())
	require.Error(t, p.Wait(ctx))
	again := new(Value[int64])
	require.NoError(t, again.UnmarshalCBOR(ref), "the other child still has it")
	require.NoError(t, again.Free())
	require.NoError(t, q.Kill())
	require.Error(t, q.Wait(ctx))
	require.ErrorIs(t, again.UnmarshalCBOR(ref), ErrClosed)
	giveBack(t, []freer{ready, how})
	require.Zero(t, inUse())
}

func TestAQueueKeepsWhatItsMessagesSpeakOf(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	q, err := NewQueue[cargo](3)
	require.NoError(t, err)
	for range 3 {
		c := newCargo(t)
		require.NoError(t, q.Put(ctx, c))
		c.free(t)
	}
	require.Equal(t, 1+3*6, inUse(), "a parcel and five objects each")
	runtime.GC()
	c, err := q.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, c.touch(ctx, "me"))
	c.requireTouched(t, "me")
	c.free(t)
	require.Equal(t, 1+2*6, inUse())
	require.NoError(t, q.Close())
	require.Equal(t, 1+2*6, inUse(), "what is left can still be got")
	require.NoError(t, q.Free())
	require.Zero(t, inUse(), "and now it cannot")
}

// A message may speak of a queue whose messages speak of others.
func TestAFreedQueueDropsWhatItsMessagesAloneKept(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	outer, err := NewQueue[*Queue[cargo]](1)
	require.NoError(t, err)
	inner, err := NewQueue[cargo](1)
	require.NoError(t, err)
	c := newCargo(t)
	require.NoError(t, inner.Put(ctx, c))
	c.free(t)
	require.NoError(t, outer.Put(ctx, inner))
	require.NoError(t, inner.Free())
	require.Equal(t, 1+1+1+6, inUse())
	require.NoError(t, outer.Free())
	require.Zero(t, inUse())
}

func TestAQueueOutlivesTheProcessThatMadeIt(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	q, err := makesQueue.Run(ctx, "hello")
	require.NoError(t, err)
	s, err := q.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", s)
	require.NoError(t, q.Put(ctx, "again"))
	require.NoError(t, q.Free())
	require.Zero(t, inUse())
}

var makesQueue = Register("test.makesQueue", func(ctx context.Context, s string) (*Queue[string], error) {
	q, err := NewQueue[string](1)
	if err != nil {
		return nil, err
	}
	return q, q.Put(ctx, s)
})

func TestAResultThatNobodyWantsIsGivenBack(t *testing.T) {
	requireEmpty(t)
	p, err := makesQueue.Start(t.Context(), "nobody reads it")
	require.NoError(t, err)
	require.NoError(t, p.Wait(t.Context()))
	require.Zero(t, inUse())
}

func TestALockOfTheDeadSaysSo(t *testing.T) {
	ctx := t.Context()
	for _, quiet := range []bool{false, true} {
		var opts []MutexOption
		if quiet {
			opts = append(opts, IgnoreOwnerDeath())
		}
		in := newKeepArg(t, opts...)
		p, err := keepsLocked.Start(ctx, in)
		require.NoError(t, err)
		_, err = in.Held.Get(ctx)
		require.NoError(t, err)
		locked := make(chan error, 1)
		go func() { locked <- in.Lock.Lock(ctx) }()
		require.NoError(t, p.Kill())
		if quiet {
			require.NoError(t, <-locked)
			require.NoError(t, in.Lock.Unlock())
			continue
		}
		require.ErrorIs(t, <-locked, ErrOwnerDied)
		_, err = in.Lock.TryLock()
		require.ErrorIs(t, err, ErrOwnerDied, "for everybody")
		require.NoError(t, in.Lock.Recover(ctx, func() error { return nil }))
		require.NoError(t, in.Lock.Lock(ctx))
		require.NoError(t, in.Lock.Unlock())
	}
}

// hoards makes objects, keeps them, and does things with them until it is killed:
// by itself after some steps, or from outside.
var hoards = Register("test.hoards", func(ctx context.Context, in hoardArg) (int, error) {
	var t panicking
	var mine []cargo
	for step := 0; step != in.Steps; step++ {
		c := newCargo(t)
		if err := c.touch(ctx, "hoarder"); err != nil {
			return 0, err
		}
		if err := in.Cargo.touch(ctx, "hoarder"); err != nil {
			return 0, err
		}
		if _, err := in.Cargo.Log.Get(ctx); err != nil {
			return 0, err
		}
		big, err := NewArray[byte](100_000 * (1 + step%3))
		if err != nil {
			return 0, err
		}
		big.Set(0, 1)
		if step%2 == 0 {
			if err := big.Free(); err != nil {
				return 0, err
			}
		}
		if err := in.Box.TryPut(c); err == nil {
			got, err := in.Box.TryGet()
			if err == nil {
				got.free(t)
			}
		}
		if mine = append(mine, c); len(mine) > 4 {
			mine[0].free(t)
			mine = mine[1:]
		}
		if step == 1 {
			if err := in.Busy.Put(ctx, os.Getpid()); err != nil {
				return 0, err
			}
		}
	}
	killProcess(os.Getpid())
	select {}
})

type hoardArg struct {
	Steps int // -1: until it is killed
	Cargo cargo
	Box   *Queue[cargo]
	Busy  *Queue[int]
}

func TestAfterManyKillsTheArenaIsAsFullAsBefore(t *testing.T) {
	requireEmpty(t)
	kills := 200
	if brief() {
		kills = 40
	}
	ctx, pool := t.Context(), newPool(t, 2)
	box, err := NewQueue[cargo](3)
	require.NoError(t, err)
	busy, err := NewQueue[int](1)
	require.NoError(t, err)
	c := newCargo(t)
	// The lock is for data that a kill cannot leave half-written.
	require.NoError(t, c.Lock.Free())
	c.Lock, err = NewMutex(IgnoreOwnerDeath())
	require.NoError(t, err)
	c.Log, err = NewQueue[string](100)
	require.NoError(t, err)
	requireRest := func() {
		t.Helper()
		for range 2 {
			_, err := square.Call(ctx, pool, 3)
			require.NoError(t, err)
		}
		for left, err := box.TryGet(); err == nil; left, err = box.TryGet() {
			left.free(t)
		}
		for _, err := c.Log.TryGet(); err == nil; _, err = c.Log.TryGet() {
			continue
		}
		eventually(t, func() bool {
			runtime.GC()
			return inUse() == 2*pool.Workers()+5+2
		}, "only the workers' links and births, and what the test has")
	}
	a, err := arena()
	require.NoError(t, err)
	requireRest()
	bytes := a.Stats().Bytes
	var early int
	for n := range kills {
		in := hoardArg{n % 7, c, box, busy}
		if n%2 == 0 {
			in.Steps = -1
		}
		f := hoards.Go(ctx, pool, in)
		if in.Steps < 0 {
			pid, err := busy.Get(ctx)
			require.NoError(t, err)
			for range n * 100 { // some moment
				runtime.Gosched()
			}
			killProcess(pid)
		}
		_, err := f.Get(ctx)
		var died *WorkerDiedError
		require.ErrorAs(t, err, &died)
		require.Equal(t, syscall.SIGKILL, died.Signal)
		_, _ = busy.TryGet()
		if n == kills/4 {
			requireRest()
			early = a.Stats().Units
		}
	}
	requireRest()
	require.Equal(t, bytes, a.Stats().Bytes)
	require.LessOrEqual(t, a.Stats().Units, early+2, "nor are there more and more spans")
	for _, held := range []any{c, box, busy} {
		runtime.KeepAlive(held)
	}
	t.Logf("%d kills, %d blocks and %d bytes before and after", kills, inUse(), bytes)
}
