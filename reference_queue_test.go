package mp

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// errands are what the other process does with queues in these tests.
type errands struct {
	Queue *Queue[int]
	Other *Queue[int]
	Start *Event
	Ended *Event
}

var drainsWhenTold = Register("test.drainsWhenTold", func(ctx context.Context, in errands) (n int, err error) {
	if err := in.Start.Wait(ctx); err != nil {
		return 0, err
	}
	for range 6 {
		if _, err := in.Queue.Get(ctx); err != nil {
			return n, err
		}
		n++
	}
	return n, in.Ended.Set()
})

func newErrands(t *testing.T, capacity int) errands {
	in := errands{Queue: newQueue[int](t, capacity), Other: newQueue[int](t, 10)}
	var err error
	in.Start, err = NewEvent()
	require.NoError(t, err)
	in.Ended, err = NewEvent()
	require.NoError(t, err)
	t.Cleanup(func() { giveBack(t, []freer{in.Start, in.Ended}) })
	return in
}

// _TestQueue.test_put
func TestReferenceQueuePut(t *testing.T) {
	in := newErrands(t, 6)
	p, err := drainsWhenTold.Start(t.Context(), in)
	require.NoError(t, err)
	q := in.Queue
	require.True(t, q.Empty())
	require.False(t, q.Full())
	for i := range 3 {
		require.NoError(t, q.Put(t.Context(), i))
	}
	for i := range 3 {
		require.NoError(t, q.TryPut(i))
	}
	require.False(t, q.Empty())
	require.True(t, q.Full())
	require.ErrorIs(t, q.TryPut(7), ErrFull)
	requireTimeout(t, func(ctx context.Context) error { return q.Put(ctx, 7) })
	require.NoError(t, in.Start.Set())
	require.NoError(t, in.Ended.Wait(t.Context()))
	require.True(t, q.Empty())
	require.False(t, q.Full())
	require.NoError(t, p.Wait(t.Context()))
}

var putsFour = Register("test.putsFour", func(ctx context.Context, in errands) (int, error) {
	if err := in.Start.Wait(ctx); err != nil {
		return 0, err
	}
	n, err := in.Queue.PutBatch(ctx, []int{2, 3, 4, 5})
	if err != nil {
		return n, err
	}
	return n, in.Ended.Set()
})

// _TestQueue.test_get
func TestReferenceQueueGet(t *testing.T) {
	in := newErrands(t, 10)
	p, err := putsFour.Start(t.Context(), in)
	require.NoError(t, err)
	q := in.Queue
	require.True(t, q.Empty())
	require.NoError(t, in.Start.Set())
	require.NoError(t, in.Ended.Wait(t.Context()))
	require.False(t, q.Empty())
	for want := 2; want <= 5; want++ {
		get := q.TryGet
		if want < 4 {
			get = func() (int, error) { return q.Get(t.Context()) }
		}
		got, err := get()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.True(t, q.Empty())
	_, err = q.TryGet()
	require.ErrorIs(t, err, ErrEmpty)
	requireTimeout(t, func(ctx context.Context) error { _, err := q.Get(ctx); return err })
	require.NoError(t, p.Wait(t.Context()))
}

var putsTen = Register("test.putsTen", func(ctx context.Context, in errands) (int, error) {
	for i := range 10 {
		if err := in.Queue.Put(ctx, 10+i); err != nil {
			return i, err
		}
	}
	return 10, nil
})

// _TestQueue.test_fork: a queue that the parent has used works in a child, too
func TestReferenceQueueUsedBefore(t *testing.T) {
	in := newErrands(t, 0)
	for i := range 10 {
		require.NoError(t, in.Queue.Put(t.Context(), i))
	}
	_, err := putsTen.Run(t.Context(), in)
	require.NoError(t, err)
	for i := range 20 {
		got, err := in.Queue.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, i, got)
	}
	_, err = in.Queue.TryGet()
	require.ErrorIs(t, err, ErrEmpty)
}

// _TestQueue.test_qsize
func TestReferenceQueueSize(t *testing.T) {
	for _, capacity := range []int{0, 5} {
		q := newQueue[int](t, capacity)
		require.Zero(t, q.Len())
		for n := range 2 {
			require.NoError(t, q.Put(t.Context(), 1))
			require.Equal(t, n+1, q.Len())
		}
		for n := range 2 {
			_, err := q.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1-n, q.Len())
		}
	}
}

var tasksUntilMinusOne = Register("test.tasksUntilMinusOne", func(ctx context.Context, in errands) (n int, err error) {
	for {
		d, err := in.Queue.Receive(ctx)
		if err != nil {
			return n, err
		}
		if err := in.Other.Put(ctx, d.Value); err != nil {
			return n, err
		}
		if err := d.Ack(); err != nil {
			return n, err
		}
		if d.Value < 0 {
			return n, nil
		}
		n++
	}
})

// _TestQueue.test_task_done
func TestReferenceQueueTaskDone(t *testing.T) {
	in := newErrands(t, 0)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			if _, err := tasksUntilMinusOne.Run(t.Context(), in); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 10 {
		require.NoError(t, in.Queue.Put(t.Context(), i))
	}
	require.NoError(t, in.Queue.Join(t.Context()))
	require.Equal(t, 10, in.Other.Len(), "Join returns when all were acknowledged, not before")
	for range 10 {
		_, err := in.Other.Get(t.Context())
		require.NoError(t, err)
	}
	_, err := in.Queue.PutBatch(t.Context(), []int{-1, -1, -1, -1})
	require.NoError(t, err)
	workers.Wait()
	require.NoError(t, in.Queue.Join(t.Context()))
}

// _TestQueue.test_timeout
func TestReferenceQueueTimeout(t *testing.T) {
	q := newQueue[int](t, 1)
	requireTimeout(t, func(ctx context.Context) error { _, err := q.Get(ctx); return err })
	requireTimeout(t, func(ctx context.Context) error { _, err := q.Receive(ctx); return err })
	require.NoError(t, q.Put(t.Context(), 1))
	requireTimeout(t, q.Join)
}

// _TestQueue.test_queue_feeder_donot_stop_onexc and
// test_queue_feeder_on_queue_feeder_error: there is no feeder; Put says what is wrong
func TestReferenceQueueGoesOnAfterWhatCannotBeSent(t *testing.T) {
	q := newQueue[func1](t, 1)
	require.Error(t, q.Put(t.Context(), func1{"unsendable"}))
	require.NoError(t, q.TryPut(func1{"fine"}))
	got, err := q.TryGet()
	require.NoError(t, err)
	require.Equal(t, "fine", got.Text)
}

// _TestQueue.test_closed_queue_put_get_exceptions, and of 3.13 the unused queue of
// test_closed_queue_empty_exceptions
func TestReferenceQueueClosed(t *testing.T) {
	for _, capacity := range []int{0, 1} {
		q := newQueue[int](t, capacity)
		require.NoError(t, q.Close())
		require.ErrorIs(t, q.Put(t.Context(), 1), ErrClosed)
		_, err := q.Get(t.Context())
		require.ErrorIs(t, err, ErrClosed)
		_, err = q.Receive(t.Context())
		require.ErrorIs(t, err, ErrClosed)
		require.True(t, q.Empty())
		require.NoError(t, q.Join(t.Context()))
	}
}

// _TestQueue.test_closed_queue_empty_exceptions of 3.13, the used queue: what is left in
// it can be got here, and whether there is something is no error.
func TestReferenceQueueClosedWithAMessage(t *testing.T) {
	for _, capacity := range []int{0, 1} {
		q := newQueue[string](t, capacity)
		require.NoError(t, q.Put(t.Context(), "foo"))
		require.NoError(t, q.Close())
		require.False(t, q.Empty())
		got, err := q.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, "foo", got)
		require.True(t, q.Empty())
		_, err = q.Get(t.Context())
		require.ErrorIs(t, err, ErrClosed)
	}
}

// TestSimpleQueue.test_empty_exceptions of 3.13. Its close is Free here, and whether there
// is something is no error.
func TestReferenceSimpleQueueFreed(t *testing.T) {
	endEmpty(t)
	for _, messages := range []int{0, 1} {
		q, err := NewQueue[int](0)
		require.NoError(t, err)
		for i := range messages {
			require.NoError(t, q.Put(t.Context(), i))
		}
		require.Equal(t, messages == 0, q.Empty())
		require.NoError(t, q.Free())
		require.True(t, q.Empty())
		_, err = q.Get(t.Context())
		require.ErrorIs(t, err, ErrClosed)
	}
}

// TestSimpleQueue.test_empty
func TestReferenceSimpleQueueEmpty(t *testing.T) {
	in := newErrands(t, 6)
	require.True(t, in.Queue.Empty())
	p, err := putsFour.Start(t.Context(), in)
	require.NoError(t, err)
	require.NoError(t, in.Start.Set())
	require.NoError(t, in.Ended.Wait(t.Context()))
	require.NoError(t, p.Wait(t.Context()))
	require.False(t, in.Queue.Empty())
	for want := 2; want <= 5; want++ {
		got, err := in.Queue.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.True(t, in.Queue.Empty())
}

// TestSimpleQueue.test_close
func TestReferenceSimpleQueueClosedTwice(t *testing.T) {
	q := newQueue[int](t, 1)
	require.NoError(t, q.Close())
	require.NoError(t, q.Close())
}
