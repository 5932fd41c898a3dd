package mp

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A cargo has a handle of every type.
type cargo struct {
	Count *Value[int64]
	Pair  *Value[pair]
	Array *Array[int32]
	Lock  *Mutex
	Log   *Queue[string]
}

func newCargo(t require.TestingT) cargo {
	var c cargo
	var err error
	c.Count, err = NewValue[int64](0)
	require.NoError(t, err)
	c.Pair, err = NewValue(pair{})
	require.NoError(t, err)
	c.Array, err = NewArray[int32](4)
	require.NoError(t, err)
	c.Lock, err = NewMutex()
	require.NoError(t, err)
	c.Log, err = NewQueue[string](16)
	require.NoError(t, err)
	return c
}

func (c cargo) free(t require.TestingT) {
	giveBack(t, []freer{c.Count, c.Pair, c.Array, c.Lock, c.Log})
}

// touch uses every object once.
func (c cargo) touch(ctx context.Context, who string) error {
	if err := c.Lock.Lock(ctx); err != nil {
		return err
	}
	c.Array.Set(3, c.Array.At(3)+1)
	if err := c.Lock.Unlock(); err != nil {
		return err
	}
	if _, err := Add(c.Count, 1); err != nil {
		return err
	}
	if err := c.Pair.Update(ctx, func(p *pair) { p.A, p.B = p.A+1, p.B-1 }); err != nil {
		return err
	}
	return c.Log.Put(ctx, who)
}

// requireTouched checks that so many have touched the objects since they were made.
func (c cargo) requireTouched(t *testing.T, who ...string) {
	t.Helper()
	n := len(who)
	require.Equal(t, int64(n), c.Count.Load())
	require.Equal(t, pair{int64(n), int64(-n)}, c.Pair.Load())
	require.Equal(t, []int32{0, 0, 0, int32(n)}, c.Array.Slice())
	require.False(t, c.Lock.Locked())
	var log []string
	for range n {
		s, err := c.Log.TryGet()
		require.NoError(t, err)
		log = append(log, s)
	}
	require.ElementsMatch(t, who, log)
}

type relayArg struct {
	Depth int
	Cargo cargo
}

// relay touches the cargo at the end of a line of processes, and returns its own
// handles.
var relay *Func[relayArg, cargo]

func init() {
	relay = Register("test.relay", func(ctx context.Context, in relayArg) (cargo, error) {
		if in.Depth > 0 {
			in.Depth--
			return relay.Run(ctx, in)
		}
		return in.Cargo, in.Cargo.touch(ctx, "relay")
	})
}

func TestHandlesReachGrandchildrenAndComeBack(t *testing.T) {
	c := newCargo(t)
	back, err := relay.Run(t.Context(), relayArg{2, c})
	require.NoError(t, err)
	require.NoError(t, back.touch(t.Context(), "me"))
	c.requireTouched(t, "relay", "me")
	c.free(t)
	require.NoError(t, back.touch(t.Context(), "still"), "they are handles of their own")
	back.free(t)
}

// clerk touches every cargo that comes through its queue. It is told nothing else.
var clerk = Register("test.clerk", func(ctx context.Context, in clerkArg) (int, error) {
	n := 0
	for c, err := range in.Work.All(ctx) {
		if err != nil {
			return n, err
		}
		if err := c.touch(ctx, in.Name); err != nil {
			return n, err
		}
		if err := in.Done.Put(ctx, n); err != nil {
			return n, err
		}
		n++
	}
	return n, ctx.Err()
})

type clerkArg struct {
	Name string
	Work *Queue[cargo]
	Done *Queue[int]
}

// hire starts a clerk and returns the queues to it.
func hireClerk(t *testing.T, name string) clerkArg {
	t.Helper()
	work, err := NewQueue[cargo](4)
	require.NoError(t, err)
	done, err := NewQueue[int](4)
	require.NoError(t, err)
	in := clerkArg{name, work, done}
	p, err := clerk.Start(context.Background(), in) // the test's context ends before its Cleanups
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, work.Close())
		require.NoError(t, p.Wait(context.Background()))
		giveBack(t, []freer{work, done})
	})
	return in
}

func TestObjectsMadeAfterAChildStartedReachIt(t *testing.T) {
	ctx := t.Context()
	k := hireClerk(t, "clerk")
	for range 3 {
		c := newCargo(t) // the child has been running for long
		require.NoError(t, k.Work.Put(ctx, c))
		_, err := k.Done.Get(ctx)
		require.NoError(t, err)
		c.requireTouched(t, "clerk")
		c.free(t)
	}
}

// supplies makes a cargo, sends it to the queue, and ends in some way.
var supplies = Register("test.supplies", func(ctx context.Context, in supplyArg) (int, error) {
	for range in.N {
		var t panicking
		c := newCargo(t)
		if err := c.touch(ctx, "supplier"); err != nil {
			return 0, err
		}
		if err := in.Work.Put(ctx, c); err != nil {
			return 0, err
		}
		if in.Free {
			c.free(t)
		}
	}
	if in.Die {
		killProcess(os.Getpid())
		select {}
	}
	return in.N, nil
})

type supplyArg struct {
	Work *Queue[cargo]
	N    int
	Free bool
	Die  bool
}

func TestObjectsTravelBetweenSiblings(t *testing.T) {
	ctx := t.Context()
	k := hireClerk(t, "sibling")
	n, err := supplies.Run(ctx, supplyArg{k.Work, 3, true, false})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	for range n {
		_, err := k.Done.Get(ctx)
		require.NoError(t, err, "the sibling could use what this process has never seen")
	}
}

func TestAMessageOutlivesItsSenderAndTheSendersHandles(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	work, err := NewQueue[cargo](4)
	require.NoError(t, err)
	for _, in := range []supplyArg{
		{work, 4, true, false},  // frees its handles and ends
		{work, 4, false, false}, // ends
		{work, 4, true, true},   // frees and is killed
		{work, 4, false, true},  // is killed with its handles
	} {
		p, err := supplies.Start(ctx, in)
		require.NoError(t, err)
		err = p.Wait(ctx)
		require.Equal(t, in.Die, err != nil)
		require.Equal(t, 1+4*6, inUse(), "a message each, with five objects")
		for left := in.N; left > 0; left-- {
			c, err := work.Get(ctx)
			require.NoError(t, err)
			require.NoError(t, c.touch(ctx, "receiver"))
			c.requireTouched(t, "supplier", "receiver")
			c.free(t)
			require.Equal(t, 1+6*(left-1), inUse())
		}
	}
	require.NoError(t, work.Free())
	require.Zero(t, inUse())
}

func TestTheSenderMayFreeWhatItSent(t *testing.T) {
	requireEmpty(t)
	ctx := t.Context()
	work, err := NewQueue[cargo](4)
	require.NoError(t, err)
	c := newCargo(t)
	require.NoError(t, work.Put(ctx, c))
	c.free(t)
	got, err := work.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, got.touch(ctx, "me"))
	got.requireTouched(t, "me")
	got.free(t)
	require.NoError(t, work.Free())
	require.Zero(t, inUse())
}

// A crate has handles in all the places a type can have them.
type crate struct {
	Slice []*Value[int64]
	Map   map[string]*Array[int32]
	Fixed [2]*Mutex
	Deep  *struct{ Log *Queue[string] }
	Nil   *Value[int64]
	Empty []*Value[int64]
	None  map[string]*Array[int32]
}

var opens = Register("test.opens", func(ctx context.Context, in crate) (crate, error) {
	for _, v := range in.Slice {
		if _, err := Add(v, 1); err != nil {
			return in, err
		}
	}
	for name, a := range in.Map {
		AddAt(a, 0, int32(len(name)))
	}
	for _, m := range in.Fixed {
		if err := m.With(ctx, func() error { return nil }); err != nil {
			return in, err
		}
	}
	return in, in.Deep.Log.Put(ctx, "opened")
})

func TestHandlesTravelInWhateverHoldsThem(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 2)
	c := newCargo(t)
	other, err := NewArray[int32](1)
	require.NoError(t, err)
	second, err := NewMutex()
	require.NoError(t, err)
	in := crate{
		Slice: []*Value[int64]{c.Count, c.Count},
		Map:   map[string]*Array[int32]{"one": c.Array, "three": other},
		Fixed: [2]*Mutex{c.Lock, second},
		Deep:  &struct{ Log *Queue[string] }{c.Log},
		Empty: []*Value[int64]{},
	}
	for n, call := range []func(crate) (crate, error){
		func(in crate) (crate, error) { return opens.Run(ctx, in) },
		func(in crate) (crate, error) { return opens.Call(ctx, pool, in) },
		func(in crate) (crate, error) {
			out, err := opens.Map(ctx, pool, []crate{in})
			if err != nil {
				return crate{}, err
			}
			return out[0], nil
		},
	} {
		out, err := call(in)
		require.NoError(t, err)
		n := int64(n + 1)
		require.Equal(t, 2*n, c.Count.Load())
		require.Equal(t, int32(3*n), c.Array.At(0))
		require.Equal(t, int32(5*n), other.At(0))
		s, err := out.Deep.Log.TryGet()
		require.NoError(t, err)
		require.Equal(t, "opened", s)
		require.Equal(t, 2*n, out.Slice[1].Load())
		require.Equal(t, int32(5*n), out.Map["three"].At(0))
		require.NoError(t, out.Fixed[1].Lock(ctx))
		require.ErrorIs(t, ignoreOK(second.TryLock()), nil)
		require.True(t, second.Locked(), "the same lock")
		require.NoError(t, second.Unlock())
		require.Nil(t, out.Nil)
		require.Nil(t, out.None)
		require.NotNil(t, out.Empty)
		require.Empty(t, out.Empty)
	}
}

func ignoreOK(_ bool, err error) error { return err }

// fillsArrays gets one array for each task and returns it.
var fillsArray = Register("test.fillsArray", func(_ context.Context, a *Array[int32]) (*Array[int32], error) {
	for i := range a.Slice() {
		a.Set(i, int32(a.Len()))
	}
	return a, nil
})

func TestTheInputsOfAMapMayBeHandles(t *testing.T) {
	pool := newPool(t, 2)
	var in []*Array[int32]
	for n := range 50 {
		a, err := NewArray[int32](n + 1)
		require.NoError(t, err)
		in = append(in, a)
	}
	out, err := fillsArray.Map(t.Context(), pool, in)
	require.NoError(t, err)
	for n, a := range in {
		require.Equal(t, int32(n+1), a.At(n))
		require.Equal(t, a.Slice(), out[n].Slice())
		out[n].Set(0, -1)
		require.Equal(t, int32(-1), a.At(0), "the same memory")
		giveBack(t, []freer{a, out[n]})
	}
}

// A queue of queues: the answer comes through what the question brought.
var replies = Register("test.replies", func(ctx context.Context, in *Queue[question]) (int, error) {
	n := 0
	for q, err := range in.All(ctx) {
		if err != nil {
			return n, err
		}
		if err := q.Reply.Put(ctx, strings.ToUpper(q.Text)); err != nil {
			return n, err
		}
		n++
	}
	return n, ctx.Err()
})

type question struct {
	Text  string
	Reply *Queue[string]
}

func TestAMessageMayBringTheQueueForItsAnswer(t *testing.T) {
	ctx := t.Context()
	questions, err := NewQueue[question](2)
	require.NoError(t, err)
	p, err := replies.Start(ctx, questions)
	require.NoError(t, err)
	for _, text := range []string{"a", "b", "c"} {
		reply, err := NewQueue[string](1)
		require.NoError(t, err)
		require.NoError(t, questions.Put(ctx, question{text, reply}))
		s, err := reply.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, strings.ToUpper(text), s)
		require.NoError(t, reply.Free())
	}
	require.NoError(t, questions.Close())
	require.NoError(t, p.Wait(ctx))
	require.NoError(t, questions.Free())
}

func TestAHandleInAFreedTaskArgumentReachesItsWorker(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	gate := newKeepArg(t)
	busy := keepsLocked.Go(ctx, pool, gate)
	a, err := NewArray[int32](3)
	require.NoError(t, err)
	later := fillsArray.Go(ctx, pool, a) // it waits behind the other
	require.NoError(t, a.Free())
	require.NoError(t, gate.Release.Put(ctx, 1))
	_, err = busy.Get(ctx)
	require.NoError(t, err)
	out, err := later.Get(ctx)
	require.NoError(t, err, "who has given a task may free what it speaks of")
	require.Equal(t, []int32{3, 3, 3}, out.Slice())
}
