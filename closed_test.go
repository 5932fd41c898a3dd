package mp

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An operation is one use of an object; calls that report nothing are checked by
// the test.
type operation = func() error

func requireAllClosed(t *testing.T, operations map[string]operation) {
	t.Helper()
	for what, do := range operations {
		assert.NotPanics(t, func() { assert.ErrorIs(t, do(), ErrClosed, what) }, what)
	}
}

// requireClosedPanic is for calls without an error that cannot return anything
// sensible, as indexing.
func requireClosedPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		err, _ := recover().(error)
		require.ErrorIs(t, err, ErrClosed)
	}()
	f()
}

// sent are the ways in which a handle would leave the process.
func sent[T any](ctx context.Context, h T, marshal func() ([]byte, error), f *Func[[]T, int], q *Queue[T], p *Pool) map[string]operation {
	return map[string]operation{
		"MarshalCBOR": func() error { _, err := marshal(); return err },
		"Start":       func() error { _, err := f.Start(ctx, []T{h}); return err },
		"Run":         func() error { _, err := f.Run(ctx, []T{h}); return err },
		"Call":        func() error { _, err := f.Call(ctx, p, []T{h}); return err },
		"Put":         func() error { return q.Put(ctx, h) },
		"TryPut":      func() error { return q.TryPut(h) },
	}
}

func takes[T any](name string) *Func[[]T, int] {
	return Register(name, func(_ context.Context, v []T) (int, error) { return len(v), nil })
}

var (
	takesValue  = takes[*Value[int64]]("test.takesValue")
	takesPairs  = takes[*Value[pair]]("test.takesPairs")
	takesArrays = takes[*Array[int32]]("test.takesArrays")
	takesLocks  = takes[*Mutex]("test.takesLocks")
	takesQueues = takes[*Queue[string]]("test.takesQueues")
)

func requireUnsendable[T any](t *testing.T, h T, marshal func() ([]byte, error), f *Func[[]T, int], p *Pool) {
	t.Helper()
	q, err := NewQueue[T](2)
	require.NoError(t, err)
	requireAllClosed(t, sent(t.Context(), h, marshal, f, q, p))
	require.Zero(t, q.Len())
	require.NoError(t, q.Free())
}

func TestAFreedValueIsClosed(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	v, err := NewValue[int64](7)
	require.NoError(t, err)
	require.NoError(t, v.Free())
	for _, v := range []*Value[int64]{v, new(Value[int64])} {
		requireAllClosed(t, map[string]operation{
			"Free":           v.Free,
			"Store":          func() error { return v.Store(1) },
			"Swap":           func() error { _, err := v.Swap(1); return err },
			"CompareAndSwap": func() error { _, err := v.CompareAndSwap(7, 1); return err },
			"Update":         func() error { return v.Update(ctx, func(*int64) { t.Error("f ran") }) },
			"Add":            func() error { _, err := Add(v, 1); return err },
		})
		require.Zero(t, v.Load())
		require.Equal(t, "Value (freed)", v.String())
		requireUnsendable(t, v, v.MarshalCBOR, takesValue, pool)
	}

	large, err := NewValue(pair{1, 2})
	require.NoError(t, err)
	require.NoError(t, large.Free())
	requireAllClosed(t, map[string]operation{
		"Free":           large.Free,
		"Store":          func() error { return large.Store(pair{}) },
		"Swap":           func() error { _, err := large.Swap(pair{}); return err },
		"CompareAndSwap": func() error { _, err := large.CompareAndSwap(pair{1, 2}, pair{}); return err },
		"Update":         func() error { return large.Update(ctx, func(*pair) { t.Error("f ran") }) },
	})
	require.Zero(t, large.Load())
	requireUnsendable(t, large, large.MarshalCBOR, takesPairs, pool)
}

func TestAFreedArrayIsClosed(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	a, err := NewArray[int32](3)
	require.NoError(t, err)
	require.NoError(t, a.Free())
	for _, a := range []*Array[int32]{a, new(Array[int32])} {
		requireAllClosed(t, map[string]operation{
			"Free":    a.Free,
			"Update":  func() error { return a.Update(ctx, func([]int32) { t.Error("f ran") }) },
			"Recover": func() error { return a.Recover(ctx, func([]int32) error { t.Error("f ran"); return nil }) },
		})
		requireClosedPanic(t, func() { a.At(0) })
		requireClosedPanic(t, func() { a.Set(0, 1) })
		requireClosedPanic(t, func() { AddAt(a, 0, 1) })
		require.Zero(t, a.Len())
		require.Nil(t, a.Slice())
		require.Equal(t, "Array (freed)", a.String())
		requireUnsendable(t, a, a.MarshalCBOR, takesArrays, pool)
	}
}

func TestAFreedMutexIsClosed(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	free, err := NewMutex()
	require.NoError(t, err)
	require.NoError(t, free.Free())
	held, err := NewMutex()
	require.NoError(t, err)
	require.NoError(t, held.Lock(ctx))
	require.NoError(t, held.Free())
	quiet, err := NewMutex(IgnoreOwnerDeath())
	require.NoError(t, err)
	require.NoError(t, quiet.Free())
	for _, m := range []*Mutex{free, held, quiet, new(Mutex)} {
		never := func() error { t.Error("f ran"); return nil }
		requireAllClosed(t, map[string]operation{
			"Free":    m.Free,
			"Lock":    func() error { return m.Lock(ctx) },
			"TryLock": func() error { _, err := m.TryLock(); return err },
			"Unlock":  m.Unlock,
			"With":    func() error { return m.With(ctx, never) },
			"Recover": func() error { return m.Recover(ctx, never) },
		})
		require.False(t, m.Locked())
		require.Equal(t, "Mutex (freed)", m.String())
		requireUnsendable(t, m, m.MarshalCBOR, takesLocks, pool)
	}
}

func TestAFreedQueueIsClosed(t *testing.T) {
	ctx, pool := t.Context(), newPool(t, 1)
	q, err := NewQueue[string](2)
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, "lost"))
	require.NoError(t, q.Free())
	closed, err := NewQueue[string](2)
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	require.NoError(t, closed.Free())
	for _, q := range []*Queue[string]{q, closed, new(Queue[string])} {
		requireAllClosed(t, map[string]operation{
			"Free":   q.Free,
			"Put":    func() error { return q.Put(ctx, "") },
			"TryPut": func() error { return q.TryPut("") },
			"Get":    func() error { _, err := q.Get(ctx); return err },
			"TryGet": func() error { _, err := q.TryGet(); return err },
			"Close":  q.Close,
		})
		for range q.All(ctx) {
			t.Error("a message out of nowhere")
		}
		require.Zero(t, q.Len())
		require.Zero(t, q.Cap())
		require.Equal(t, "Queue (freed)", q.String())
		requireUnsendable(t, q, q.MarshalCBOR, takesQueues, pool)
	}
}

func TestAClosedQueueGivesWhatIsLeft(t *testing.T) {
	ctx := t.Context()
	q, err := NewQueue[string](4)
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, "one"))
	require.NoError(t, q.Put(ctx, "two"))
	require.NoError(t, q.Close())
	require.NoError(t, q.Close(), "again")
	require.ErrorIs(t, q.Put(ctx, "three"), ErrClosed)
	require.ErrorIs(t, q.TryPut("three"), ErrClosed)
	s, err := q.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "one", s)
	var rest []string
	for s, err := range q.All(ctx) {
		require.NoError(t, err)
		rest = append(rest, s)
	}
	require.Equal(t, []string{"two"}, rest)
	_, err = q.Get(ctx)
	require.ErrorIs(t, err, ErrClosed)
	_, err = q.TryGet()
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, q.Free())
}

var drains = Register("test.drains", func(ctx context.Context, q *Queue[string]) (n int, err error) {
	for _, err := range q.All(ctx) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, ctx.Err()
})

func TestClosingAQueueEndsTheWaitOfOtherProcesses(t *testing.T) {
	ctx := t.Context()
	q, err := NewQueue[string](1)
	require.NoError(t, err)
	results := make(chan int, 2)
	for range 2 {
		go func() {
			n, err := drains.Run(ctx, q)
			assert.NoError(t, err)
			results <- n
		}()
	}
	for range 20 { // the last is put when both have had the time to wait
		require.NoError(t, q.Put(ctx, "x"))
	}
	require.NoError(t, q.Close())
	require.Equal(t, 20, <-results+<-results)
	require.NoError(t, q.Free())
}

// waitsThatFreeEnds are those for an empty queue, a full one, and a lock that is held.
func waitsThatFreeEnds(ctx context.Context, empty, full *Queue[[]byte], m *Mutex) map[string]operation {
	into := make([][]byte, 3)
	return map[string]operation{
		"Get":      func() error { _, err := empty.Get(ctx); return err },
		"GetBatch": func() error { _, err := empty.GetBatch(ctx, into); return err },
		"Receive":  func() error { _, err := empty.Receive(ctx); return err },
		"Borrow":   func() error { _, err := Borrow(ctx, empty); return err },
		"Wait": func() error { // for what Get says at once
			_, err := Wait(ctx, empty)
			if err == nil {
				_, err = empty.Get(ctx)
			}
			return err
		},
		"Put":      func() error { return full.Put(ctx, []byte("more")) },
		"long Put": func() error { return full.Put(ctx, make([]byte, 5000)) },
		"PutBatch": func() error { _, err := full.PutBatch(ctx, [][]byte{{1}, {2}}); return err },
		"Join":     func() error { return full.Join(ctx) },
		"Lock":     func() error { return m.Lock(ctx) },
	}
}

// Free may come before the other goroutine waits or after: both must end alike.
func TestFreeEndsTheWaitOfThisProcess(t *testing.T) {
	endEmpty(t)
	ctx := within(t)
	for range 30 {
		empty, err := NewQueue[[]byte](1)
		require.NoError(t, err)
		full, err := NewQueue[[]byte](1)
		require.NoError(t, err)
		require.NoError(t, full.TryPut([]byte("full")))
		m, err := NewMutex()
		require.NoError(t, err)
		require.NoError(t, m.Lock(ctx))
		ends := make(map[string]<-chan error)
		for what, wait := range waitsThatFreeEnds(ctx, empty, full, m) {
			ends[what] = begin(wait)
		}
		require.NoError(t, empty.Free())
		require.NoError(t, full.Free())
		require.NoError(t, m.Free())
		for what, end := range ends {
			require.ErrorIs(t, <-end, ErrClosed, what)
		}
	}
}

func TestAnotherHandleOfTheProcessOutlivesFree(t *testing.T) {
	v, err := NewValue[int64](7)
	require.NoError(t, err)
	b, err := v.MarshalCBOR()
	require.NoError(t, err)
	w := new(Value[int64])
	require.NoError(t, w.UnmarshalCBOR(b))
	require.NoError(t, v.Free())
	require.Equal(t, int64(7), w.Load())
	require.NoError(t, w.Store(8))
	require.ErrorIs(t, v.Store(9), ErrClosed)
	require.Equal(t, int64(8), w.Load())
	require.NoError(t, w.Free())
}

func TestAClosedPoolIsClosed(t *testing.T) {
	ctx := t.Context()
	closed, stopped := newPool(t, 1), newPool(t, 1)
	require.NoError(t, closed.Close())
	require.NoError(t, stopped.Stop())
	for _, p := range []*Pool{closed, stopped} {
		for what, do := range map[string]operation{
			"Call":         func() error { _, err := square.Call(ctx, p, 1); return err },
			"Go":           func() error { _, err := square.Go(ctx, p, 1).Get(ctx); return err },
			"Map":          func() error { _, err := square.Map(ctx, p, []int{1, 2}); return err },
			"MapSeq":       func() error { return firstError(square.MapSeq(ctx, p, slices.Values([]int{1, 2}))) },
			"MapUnordered": func() error { return firstError(square.MapUnordered(ctx, p, slices.Values([]int{1, 2}))) },
		} {
			require.ErrorIs(t, do(), ErrPoolClosed, what)
		}
		require.NoError(t, p.Close())
		require.NoError(t, p.Stop())
		require.Zero(t, p.Stats().Workers, "its workers are gone")
	}
	require.Empty(t, ActiveChildren())
}

func TestAProcessThatIsGoneIsDone(t *testing.T) {
	ctx := t.Context()
	p, err := square.Start(ctx, 3)
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.NoError(t, p.Wait(ctx), "again")
	for what, do := range map[string]operation{
		"Signal":    func() error { return p.Signal(os.Interrupt) },
		"Interrupt": p.Interrupt,
		"Terminate": p.Terminate,
		"Kill":      p.Kill,
	} {
		require.ErrorIs(t, do(), os.ErrProcessDone, what)
	}
	<-p.Done()
	require.False(t, p.Alive())
	code, exited := p.ExitCode()
	require.True(t, exited)
	require.Zero(t, code)
	require.Contains(t, p.String(), "exited with code 0")
	require.NotContains(t, ActiveChildren(), p)

	cancelled, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	<-cancelled.Done()
	require.NoError(t, p.Wait(cancelled), "what is known needs no wait")
}
