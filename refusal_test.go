package mp

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
	"github.com/mpgo/mp/shm"
)

func TestTwoFunctionsOfOneNameAreRefused(t *testing.T) {
	text := panicOf(func() {
		Register("test.square", func(_ context.Context, n int) (int, error) { return n, nil })
	})
	require.Contains(t, text, `Register("test.square")`)
	require.Contains(t, text, "the name is taken")
	require.Contains(t, text, "main_test.go:")
	require.Contains(t, text, "refusal_test.go:")
	require.Contains(t, panicOf(func() { Register[int, int]("test.nil", nil) }), "nil function")
}

// panicOf is the text of f's panic, "" if it does not panic.
func panicOf(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

var (
	// late is registered after the children have looked: when a test runs.
	late = sync.OnceValue(func() *Func[int, int] {
		return Register("test.late", func(_ context.Context, n int) (int, error) { return n, nil })
	})

	// twoFaced takes another type in a child.
	twoFaced = func() *Func[int, int] {
		if IsChild() {
			Register("test.twoFaced", func(_ context.Context, s string) (int, error) { return len(s), nil })
			return nil
		}
		return Register("test.twoFaced", func(_ context.Context, n int) (int, error) { return n, nil })
	}()
)

func TestAFunctionThatTheChildDoesNotHaveIsAnError(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	for _, f := range []*Func[int, int]{late(), twoFaced} {
		_, err := f.Run(ctx, 1)
		require.ErrorIs(t, err, ErrNotRegistered)
		require.ErrorContains(t, err, f.Name())
		p, err := f.Start(ctx, 1)
		require.NoError(t, err)
		require.ErrorIs(t, p.Wait(ctx), ErrNotRegistered)
		_, err = f.Call(ctx, pool, 1)
		require.ErrorIs(t, err, ErrNotRegistered)
		require.ErrorContains(t, err, f.Name())
	}
	n, err := square.Call(ctx, pool, 3)
	require.NoError(t, err)
	require.Equal(t, 9, n)
	require.Equal(t, 1, pool.Stats().Started, "a worker survives what it does not know")
}

type unplain[T any] struct {
	Fine   int32
	Config struct{ Items [2]struct{ Part T } }
}

func TestWhatIsNotPlainIsRefusedWithThePathToIt(t *testing.T) {
	refuse[*int](t)
	refuse[string](t)
	refuse[[]byte](t)
	refuse[map[string]int](t)
	refuse[any](t)
	refuse[fmt.Stringer](t)
	refuse[chan int](t)
	refuse[func()](t)
	refuse[uintptr](t)
}

func refuse[T any](t *testing.T) {
	requireEmpty(t)
	_, err := NewValue(*new(T))
	require.ErrorIs(t, err, ErrNotPlain)
	_, err = NewArray[T](3)
	require.ErrorIs(t, err, ErrNotPlain)
	for _, make := range []func() error{
		func() error { _, err := NewValue(unplain[T]{}); return err },
		func() error { _, err := NewArray[unplain[T]](3); return err },
	} {
		err := make()
		require.ErrorIs(t, err, ErrNotPlain)
		require.ErrorContains(t, err, "Config.Items[].Part")
		var detail *shm.NotPlainError
		require.ErrorAs(t, err, &detail)
		require.Contains(t, detail.Path, "Config.Items[].Part")
	}
	require.Zero(t, inUse())
}

type (
	lossyChan    struct{ In struct{ Deep []chan int } }
	lossyFunc    struct{ In struct{ Deep []func() } }
	lossyAny     struct{ In struct{ Deep []any } }
	lossyPrivate struct {
		In struct{ Deep []struct{ a *int } } //nolint:unused // it is there to be refused
	}
	lossyJSON struct {
		In struct {
			Deep []string `json:"-"`
		}
	}
	lossyCBOR struct {
		In struct {
			Deep []string `cbor:"-"`
		}
	}
)

func TestTypesThatWouldLoseDataAreRefusedWithThePathToIt(t *testing.T) {
	refuseLossy[lossyChan](t)
	refuseLossy[lossyFunc](t)
	refuseLossy[lossyAny](t)
	refuseLossy[lossyPrivate](t)
	refuseLossy[lossyJSON](t)
	refuseLossy[lossyCBOR](t)
}

func refuseLossy[T any](t *testing.T) {
	requireEmpty(t)
	_, err := NewQueue[T](1)
	require.ErrorIs(t, err, ErrUnencodable)
	require.ErrorContains(t, err, "In.Deep")
	name := fmt.Sprintf("test.lossy.%T", *new(T))
	text := panicOf(func() { Register(name, func(context.Context, T) (int, error) { return 0, nil }) })
	require.Contains(t, text, "argument")
	require.Contains(t, text, "In.Deep")
	text = panicOf(func() { Register(name, func(context.Context, int) (v T, err error) { return v, nil }) })
	require.Contains(t, text, "result")
	require.Contains(t, text, "In.Deep")
	require.Nil(t, registered(name), "what was refused leaves its name free")
	require.Zero(t, inUse())
}

func TestSizesThatMakeNoSenseAreRefused(t *testing.T) {
	requireEmpty(t)
	for _, n := range []int{-1, math.MinInt} {
		_, err := NewArray[int64](n)
		require.ErrorContains(t, err, fmt.Sprint(n))
		require.ErrorContains(t, err, "negative")
	}
	for _, n := range []int{math.MaxInt, math.MaxInt / 8, 1 << 50} {
		_, err := NewArray[int64](n)
		require.ErrorIs(t, err, ErrTooLarge, n)
		_, err = NewArray[[1 << 20]int64](n)
		require.ErrorIs(t, err, ErrTooLarge, n)
	}
	for _, n := range []int{-1, math.MinInt} {
		_, err := NewQueue[int64](n)
		require.ErrorContains(t, err, fmt.Sprint(n))
		require.ErrorContains(t, err, "at least 1")
		_, err = NewQueue[int64](1, WithInline(n))
		require.ErrorContains(t, err, "WithInline(")
		_, err = NewQueue[int64](1, WithMaxLeases(n))
		require.ErrorContains(t, err, "WithMaxLeases(")
		_, err = NewQueue[int64](1, WithMaxMessage(n))
		require.Error(t, err)
	}
	for _, n := range []int{math.MaxInt, 1 << 31} {
		_, err := NewQueue[int64](n)
		require.ErrorIs(t, err, ErrTooLarge, n)
		_, err = NewQueue[string](1, WithInline(n))
		require.ErrorIs(t, err, ErrTooLarge, n)
	}
	_, err := NewPool(t.Context(), math.MinInt)
	require.ErrorContains(t, err, "workers")
	require.ErrorContains(t, SetArenaSize(1<<30), "in use already")
	require.Zero(t, inUse())
}

func TestNothingIsASize(t *testing.T) {
	a, err := NewArray[int64](0)
	require.NoError(t, err)
	require.Zero(t, a.Len())
	require.Contains(t, panicOf(func() { a.At(0) }), "index out of range")
	require.NoError(t, a.Free())

	e, err := NewArray[struct{}](math.MaxInt)
	require.NoError(t, err)
	require.Equal(t, math.MaxInt, e.Len())
	require.Equal(t, struct{}{}, e.At(math.MaxInt-1))
	require.NoError(t, e.Free())

	v, err := NewValue(struct{}{})
	require.NoError(t, err)
	require.Equal(t, struct{}{}, v.Load())
	require.NoError(t, v.Free())

	q, err := NewQueue[struct{}](1, WithInline(0))
	require.NoError(t, err)
	require.NoError(t, q.Put(t.Context(), struct{}{}))
	require.ErrorIs(t, q.TryPut(struct{}{}), ErrFull)
	_, err = q.Get(t.Context())
	require.NoError(t, err)
	require.NoError(t, q.Free())
}

func TestAnArrayIsIndexedAsASlice(t *testing.T) {
	a, err := NewArray[int32](3)
	require.NoError(t, err)
	for _, i := range []int{-1, 3, math.MaxInt, math.MinInt} {
		require.Contains(t, panicOf(func() { a.At(i) }), "index out of range")
		require.Contains(t, panicOf(func() { a.Set(i, 1) }), "index out of range")
		require.Contains(t, panicOf(func() { AddAt(a, i, 1) }), "index out of range")
	}
	require.Equal(t, []int32{0, 0, 0}, a.Slice())
	require.NoError(t, a.Free())
}

func init() {
	scripts["stranger"] = func(p *testkit.Peer) {
		v, err := NewValue[int64](1)
		if err != nil {
			p.Say(err)
			return
		}
		b, _ := v.MarshalCBOR()
		p.Say(hex.EncodeToString(b))
		p.Hear()
	}
}

func TestAHandleOfAnotherArenaIsForeign(t *testing.T) {
	c := testkit.Start(t, "stranger")
	b, err := hex.DecodeString(c.Hear())
	require.NoError(t, err)
	err = new(Value[int64]).UnmarshalCBOR(b)
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, "another program")
}

func TestAHandleOfAnotherGenerationIsClosed(t *testing.T) {
	old, err := NewValue[int64](1)
	require.NoError(t, err)
	ref, err := old.WireRef()
	require.NoError(t, err)
	b, err := old.MarshalCBOR()
	require.NoError(t, err)
	require.NoError(t, old.Free())
	require.ErrorIs(t, new(Value[int64]).UnmarshalCBOR(b), ErrClosed, "it is gone")

	for range 10 {
		v, err := NewValue[int64](2)
		require.NoError(t, err)
		now, err := v.WireRef()
		require.NoError(t, err)
		require.NotEqual(t, ref, now)
		require.ErrorIs(t, new(Value[int64]).UnmarshalCBOR(b), ErrClosed, "something else may be there")
		require.Equal(t, int64(2), v.Load())
		require.NoError(t, v.Free())
	}
}

func TestAHandleOfAnotherTypeIsForeign(t *testing.T) {
	requireEmpty(t)
	v, err := NewValue[int64](1)
	require.NoError(t, err)
	b, err := v.MarshalCBOR()
	require.NoError(t, err)
	for _, other := range []interface{ UnmarshalCBOR([]byte) error }{
		new(Value[uint64]), new(Value[pair]), new(Array[int64]), new(Mutex), new(Queue[int64]), new(link),
	} {
		require.ErrorIs(t, other.UnmarshalCBOR(b), ErrForeign, "%T", other)
	}
	require.NoError(t, v.Free())
	require.Zero(t, inUse(), "a refused handle holds nothing")
}

func TestAHandleOutOfNowhereIsAnError(t *testing.T) {
	v, err := NewValue[int64](1)
	require.NoError(t, err)
	good, err := v.WireRef()
	require.NoError(t, err)
	for _, r := range []shm.Ref{
		{},
		{Arena: good.Arena},
		{Arena: good.Arena, Gen: good.Gen, Off: good.Off + 1},
		{Arena: good.Arena, Gen: good.Gen, Off: good.Off + 64},
		{Arena: good.Arena, Gen: good.Gen, Off: math.MaxUint64},
		{Arena: good.Arena, Gen: good.Gen + 1, Off: good.Off},
		{Arena: good.Arena, Gen: math.MaxUint32, Off: good.Off},
		{Arena: good.Arena, Gen: good.Gen, Off: 0},
		{Arena: good.Arena, Gen: good.Gen, Off: DefaultArenaSize},
	} {
		b, _ := r.AppendBinary([]byte{cborRef})
		err := new(Value[int64]).UnmarshalCBOR(b)
		require.Error(t, err, "%v", r)
		if r.Arena == good.Arena {
			require.ErrorIs(t, err, ErrClosed, "%v", r)
		}
	}
	for _, b := range [][]byte{nil, {}, {cborRef}, make([]byte, 17), slices.Repeat([]byte{0xff}, 17), make([]byte, 1000)} {
		require.ErrorIs(t, new(Value[int64]).UnmarshalCBOR(b), shm.ErrDamaged, "% x", b)
	}
	require.Equal(t, int64(1), v.Load())
	require.NoError(t, v.Free())
}

// keepsLocked locks, says so, and unlocks when told.
var keepsLocked = Register("test.keepsLocked", func(ctx context.Context, in keepArg) (int, error) {
	if err := in.Lock.Lock(ctx); err != nil {
		return 0, err
	}
	if err := in.Held.Put(ctx, 1); err != nil {
		return 0, err
	}
	if _, err := in.Release.Get(ctx); err != nil {
		return 0, err
	}
	return 0, in.Lock.Unlock()
})

type keepArg struct {
	Lock          *Mutex
	Held, Release *Queue[int]
}

func newKeepArg(t *testing.T, opts ...MutexOption) keepArg {
	t.Helper()
	lock, err := NewMutex(opts...)
	require.NoError(t, err)
	held, err := NewQueue[int](1)
	require.NoError(t, err)
	release, err := NewQueue[int](1)
	require.NoError(t, err)
	return keepArg{lock, held, release}
}

func TestOnlyTheOwnerUnlocks(t *testing.T) {
	ctx := t.Context()
	in := newKeepArg(t)
	require.ErrorIs(t, in.Lock.Unlock(), ErrNotLocked)
	require.ErrorIs(t, in.Lock.Recover(ctx, nil), ErrHealthy)
	require.NoError(t, in.Lock.Lock(ctx))
	require.NoError(t, in.Lock.Unlock())
	require.ErrorIs(t, in.Lock.Unlock(), ErrNotLocked)

	p, err := keepsLocked.Start(ctx, in)
	require.NoError(t, err)
	_, err = in.Held.Get(ctx)
	require.NoError(t, err)
	require.ErrorIs(t, in.Lock.Unlock(), ErrNotOwner)
	ok, err := in.Lock.TryLock()
	require.NoError(t, err)
	require.False(t, ok, "the refused Unlock changed nothing")
	require.True(t, in.Lock.Locked())
	require.NoError(t, in.Release.Put(ctx, 1))
	require.NoError(t, p.Wait(ctx))
	require.False(t, in.Lock.Locked())
}

func TestAContextThatHasEndedIsAnErrorAndHasNoEffect(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pool := newPool(t, 1)
	v, err := NewValue[int64](1)
	require.NoError(t, err)
	big, err := NewValue(pair{1, 1})
	require.NoError(t, err)
	a, err := NewArray[int32](1)
	require.NoError(t, err)
	m, err := NewMutex()
	require.NoError(t, err)
	q, err := NewQueue[string](2)
	require.NoError(t, err)
	require.NoError(t, q.TryPut("one"))
	p, err := waits.Start(t.Context(), false)
	require.NoError(t, err)

	must := func() { t.Error("this must not run") }
	seq := slices.Values([]int{1, 2})
	for what, do := range map[string]func() error{
		"Start":              func() error { _, err := square.Start(ctx, 1); return err },
		"Run":                func() error { _, err := square.Run(ctx, 1); return err },
		"Call":               func() error { _, err := square.Call(ctx, pool, 1); return err },
		"Go":                 func() error { _, err := square.Go(ctx, pool, 1).Get(t.Context()); return err },
		"Get of a Future":    func() error { _, err := waits.Go(t.Context(), pool, false).Get(ctx); return err },
		"Map":                func() error { _, err := square.Map(ctx, pool, []int{1}); return err },
		"MapSeq":             func() error { return firstError(square.MapSeq(ctx, pool, seq)) },
		"MapUnordered":       func() error { return firstError(square.MapUnordered(ctx, pool, seq)) },
		"NewPool":            func() error { _, err := NewPool(ctx, 1); return err },
		"Wait":               func() error { return p.Wait(ctx) },
		"Value.Update":       func() error { return v.Update(ctx, func(*int64) { must() }) },
		"Value.Update large": func() error { return big.Update(ctx, func(*pair) { must() }) },
		"Array.Update":       func() error { return a.Update(ctx, func([]int32) { must() }) },
		"Array.Recover":      func() error { return a.Recover(ctx, func([]int32) error { must(); return nil }) },
		"Lock":               func() error { return m.Lock(ctx) },
		"With":               func() error { return m.With(ctx, func() error { must(); return nil }) },
		"Recover":            func() error { return m.Recover(ctx, func() error { must(); return nil }) },
		"Put":                func() error { return q.Put(ctx, "two") },
		"Put large":          func() error { return q.Put(ctx, strings.Repeat("x", 10_000)) },
		"Queue.Get":          func() error { _, err := q.Get(ctx); return err },
	} {
		assert.ErrorIs(t, do(), context.Canceled, what)
	}
	require.False(t, m.Locked())
	require.Equal(t, 1, q.Len())
	require.Equal(t, int64(1), v.Load())
	require.Len(t, ActiveChildren(), 2, "p and the worker")
	require.NoError(t, p.Kill())
}

// firstError is the first error that a sequence yields.
func firstError[T any](seq func(func(T, error) bool)) (first error) {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}
