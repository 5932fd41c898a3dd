package mp

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// codes are Values of the types of the reference's type codes.
type codes struct {
	I *Value[int32]
	D *Value[float64]
	H *Value[int16]
	Q *Value[int64]
	C *Value[byte]
}

// writesCodes writes the new values of the reference's codes_values.
var writesCodes = Register("test.writesCodes", func(_ context.Context, v codes) (int, error) {
	return 0, errorOf(v.I.Store(-24241), v.D.Store(-3.625), v.H.Store(-232), v.Q.Store(1<<34), v.C.Store('y'))
})

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// _TestValue.test_value and .test_rawvalue: a Value has its lock only in Update
func TestReferenceValue(t *testing.T) {
	requireEmpty(t)
	var v codes
	var errs [5]error
	v.I, errs[0] = NewValue[int32](4343)
	v.D, errs[1] = NewValue(3.625)
	v.H, errs[2] = NewValue[int16](-232 + 464)
	v.Q, errs[3] = NewValue[int64](1 << 33)
	v.C, errs[4] = NewValue[byte]('x')
	require.NoError(t, errorOf(errs[:]...))
	require.Equal(t, int32(4343), v.I.Load())
	require.Equal(t, 3.625, v.D.Load())
	require.Equal(t, int16(232), v.H.Load())
	require.Equal(t, int64(1<<33), v.Q.Load())
	require.Equal(t, byte('x'), v.C.Load())
	_, err := writesCodes.Run(within(t), v)
	require.NoError(t, err)
	require.Equal(t, int32(-24241), v.I.Load())
	require.Equal(t, -3.625, v.D.Load())
	require.Equal(t, int16(-232), v.H.Load())
	require.Equal(t, int64(1<<34), v.Q.Load())
	require.Equal(t, byte('y'), v.C.Load())
	giveBack(t, []freer{v.I, v.D, v.H, v.Q, v.C})
	require.Zero(t, inUse())
}

// _TestValue.test_getobj_getlock: get_lock is Update, which excludes the Updates of
// others; get_obj is Load, which waits for nobody
func TestReferenceValueHasItsLock(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	a.enters("stay in update")
	require.Equal(t, ledger{}, s.Value.Load())
	requireTimeout(t, func(ctx context.Context) error {
		return s.Value.Update(ctx, func(*ledger) { t.Error("two at a time") })
	})
	a.leaves("stay in update")
	require.Equal(t, int64(1), s.Value.Load().Serial)
}

// Adding is atomic here, and wraps as there: features K03 and K04
func TestReferenceValueAdds(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	a.tell("add a thousand")
	for range 1000 {
		_, err := Add(s.Small, 1)
		require.NoError(t, err)
	}
	a.hear("add a thousand", nil)
	require.Equal(t, int64(2000), s.Small.Load())

	b, err := NewValue[int8](math.MaxInt8)
	require.NoError(t, err)
	sum, err := Add(b, 1)
	require.NoError(t, err)
	require.Equal(t, int8(math.MinInt8), sum)
	require.NoError(t, b.Free())
}

func init() {
	acts["add a thousand"] = func(_ context.Context, p *player) error {
		for range 1000 {
			if _, err := Add(p.Small, 1); err != nil {
				return err
			}
		}
		return nil
	}
}

// prefixSums is the reference's f.
var prefixSums = Register("test.prefixSums", func(ctx context.Context, a *Array[int32]) (int, error) {
	return 0, a.Update(ctx, func(seq []int32) {
		for i := 1; i < len(seq); i++ {
			seq[i] += seq[i-1]
		}
	})
})

// _TestArray.test_array and .test_rawarray: Slice is the raw one
func TestReferenceArray(t *testing.T) {
	requireEmpty(t)
	seq := []int32{680, 626, 934, 821, 150, 233, 548, 982, 714, 831}
	a, err := NewArray[int32](len(seq))
	require.NoError(t, err)
	copy(a.Slice(), seq)
	require.Equal(t, len(seq), a.Len())
	require.Equal(t, seq[3], a.At(3))
	require.Equal(t, seq[2:7], a.Slice()[2:7])
	a.Set(4, 1)
	copy(a.Slice()[4:8], []int32{1, 2, 3, 4})
	copy(seq[4:8], []int32{1, 2, 3, 4})
	require.Equal(t, seq, a.Slice())

	_, err = prefixSums.Run(within(t), a)
	require.NoError(t, err)
	for i := 1; i < len(seq); i++ {
		seq[i] += seq[i-1]
	}
	require.Equal(t, seq, a.Slice())
	require.Panics(t, func() { a.At(len(seq)) })
	require.Panics(t, func() { a.Set(-1, 0) })
	require.NoError(t, a.Free())
	require.Zero(t, inUse())
}

// _TestArray.test_array_from_size: zeros, also when the memory was used before
func TestReferenceArrayFromSize(t *testing.T) {
	requireEmpty(t)
	for range 3 {
		a, err := NewArray[int32](10)
		require.NoError(t, err)
		require.Equal(t, make([]int32, 10), a.Slice())
		for i := range 10 {
			a.Set(i, int32(i)+1)
		}
		require.NoError(t, a.Free())
	}
}

// _TestArray.test_getobj_getlock_obj: the lock is Update's; the memory is Slice,
// which has none
func TestReferenceArrayHasItsLock(t *testing.T) {
	s := newStage(t)
	a := s.hire(t)
	a.enters("stay in array")
	require.Equal(t, int64(1), s.Array.Slice()[0])
	requireTimeout(t, func(ctx context.Context) error {
		return s.Array.Update(ctx, func([]int64) { t.Error("two at a time") })
	})
	a.leaves("stay in array")
	require.NoError(t, s.Array.Update(within(t), func(counts []int64) {
		require.Equal(t, []int64{1, 1}, counts[:2])
	}))
}

// ctypes are what the reference's test of shared types shares.
type ctypes struct {
	X        *Value[int32]
	Y        *Value[float64]
	LongLong *Value[int64]
	Foo      *Value[foo]
	Arr      *Array[float64]
	String   *Array[byte]
}

type foo struct {
	X int32
	Y float64
	Z int64
}

// doubles is the reference's _double.
var doubles = Register("test.doubles", func(ctx context.Context, c ctypes) (int, error) {
	return 0, errorOf(
		c.X.Update(ctx, func(x *int32) { *x *= 2 }),
		c.Y.Update(ctx, func(y *float64) { *y *= 2 }),
		c.LongLong.Update(ctx, func(n *int64) { *n *= 2 }),
		c.Foo.Update(ctx, func(f *foo) { f.X, f.Y, f.Z = f.X*2, f.Y*2, f.Z*2 }),
		c.Arr.Update(ctx, func(a []float64) {
			for i := range a {
				a[i] *= 2
			}
		}),
		c.String.Update(ctx, func(b []byte) { copy(b[len("hello"):], b[:len("hello")]) }),
	)
})

// _TestSharedCTypes.test_sharedctypes and .test_synchronize
func TestReferenceSharedTypes(t *testing.T) {
	requireEmpty(t)
	var c ctypes
	var errs [6]error
	c.X, errs[0] = NewValue[int32](7)
	c.Y, errs[1] = NewValue(1.0 / 3.0)
	c.LongLong, errs[2] = NewValue[int64](1 << 33)
	c.Foo, errs[3] = NewValue(foo{3, 2, 1 << 33})
	c.Arr, errs[4] = NewArray[float64](10)
	c.String, errs[5] = NewArray[byte](20)
	require.NoError(t, errorOf(errs[:]...))
	for i := range c.Arr.Len() {
		c.Arr.Set(i, float64(i))
	}
	copy(c.String.Slice(), "hello")
	_, err := doubles.Run(within(t), c)
	require.NoError(t, err)
	require.Equal(t, int32(14), c.X.Load())
	require.InDelta(t, 2.0/3.0, c.Y.Load(), 1e-12)
	require.Equal(t, int64(1<<34), c.LongLong.Load())
	require.Equal(t, foo{6, 4, 1 << 34}, c.Foo.Load())
	for i := range c.Arr.Len() {
		require.InDelta(t, float64(i*2), c.Arr.At(i), 0)
	}
	require.Equal(t, "hellohello", string(c.String.Slice()[:10]))
	giveBack(t, []freer{c.X, c.Y, c.LongLong, c.Foo, c.Arr, c.String})
	require.Zero(t, inUse())
}

// _TestSharedCTypes.test_copy
func TestReferenceSharedTypesAreCopied(t *testing.T) {
	requireEmpty(t)
	one, err := NewValue(foo{2, 5, 0})
	require.NoError(t, err)
	two, err := NewValue(one.Load())
	require.NoError(t, err)
	require.NoError(t, one.Store(foo{}))
	require.Equal(t, foo{2, 5, 0}, two.Load())
	giveBack(t, []freer{one, two})
	require.Zero(t, inUse())
}
