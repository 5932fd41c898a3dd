package mp

import (
	"context"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// awaiting begins a Wait and returns where its result will be.
func awaiting(ctx context.Context, objects ...Waitable) <-chan []Waitable {
	result := make(chan []Waitable, 1)
	go func() {
		ready, _ := Wait(ctx, objects...)
		result <- ready
	}()
	return result
}

func hear[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(hangs):
		require.FailNow(t, "still waiting")
		panic("unreachable")
	}
}

func TestWaitReturnsWhatIsReady(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	a, b := aPair[int](t)
	c, d := aPair[string](t)
	q, err := NewQueue[int](2)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	all := []Waitable{b, q, d}

	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	ready, err := Wait(short, all...)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, ready)

	for _, step := range []struct {
		makes func() error
		takes func() error
		want  Waitable
	}{
		{func() error { return a.Send(ctx, 1) }, func() error { _, err := b.Recv(ctx); return err }, b},
		{func() error { return c.Send(ctx, "") }, func() error { _, err := d.Recv(ctx); return err }, d},
		{func() error { return q.Put(ctx, 1) }, func() error { _, err := q.Get(ctx); return err }, q},
	} {
		waiting := awaiting(ctx, all...)
		require.NoError(t, step.makes())
		require.Equal(t, []Waitable{step.want}, hear(t, waiting))
		require.Equal(t, []Waitable{step.want}, hear(t, awaiting(ctx, all...)), "nothing was taken")
		require.NoError(t, step.takes())
	}

	require.NoError(t, a.Send(ctx, 1))
	require.NoError(t, q.Put(ctx, 1))
	for _, when := range []context.Context{ctx, short} {
		ready, err = Wait(when, all...)
		require.NoError(t, err, "it looks before it asks whether to wait")
		require.Equal(t, []Waitable{b, q}, ready, "all that are ready, in their order")
	}
}

func TestWaitSeesEnds(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	t.Run("closed peer", func(t *testing.T) {
		a, b := aPair[int](t)
		waiting := awaiting(ctx, b)
		require.NoError(t, a.Close())
		require.Equal(t, []Waitable{b}, hear(t, waiting))
	})
	t.Run("closed end", func(t *testing.T) {
		_, b := aPair[int](t)
		waiting := awaiting(ctx, b)
		eventually(t, func() bool { return awaited(b) }, "a sleeper")
		require.NoError(t, b.Close())
		require.Equal(t, []Waitable{b}, hear(t, waiting))
		_, err := Wait(ctx, b)
		require.ErrorIs(t, err, ErrClosed)
	})
	t.Run("closed queue", func(t *testing.T) {
		q, err := NewQueue[int](1)
		require.NoError(t, err)
		waiting := awaiting(ctx, q)
		require.NoError(t, q.Close())
		require.Equal(t, []Waitable{q}, hear(t, waiting))
		require.NoError(t, q.Free())
		_, err = Wait(ctx, q)
		require.ErrorIs(t, err, ErrClosed)
	})
	t.Run("killed peer", func(t *testing.T) {
		a, b := aPair[string](t)
		p, err := echoes.Start(ctx, b)
		require.NoError(t, err)
		require.NoError(t, a.Send(ctx, "there?"))
		_, err = a.Recv(ctx)
		require.NoError(t, err)
		waiting := awaiting(ctx, a)
		require.NoError(t, p.Kill())
		require.Equal(t, []Waitable{a}, hear(t, waiting))
		_, err = a.Recv(ctx)
		require.ErrorIs(t, err, ErrPeerDied)
		<-p.Done()
	})
	t.Run("process", func(t *testing.T) {
		a, b := aPair[string](t)
		p, err := echoes.Start(ctx, b)
		require.NoError(t, err)
		waiting := awaiting(ctx, p)
		require.NoError(t, a.Close())
		require.Equal(t, []Waitable{p}, hear(t, waiting))
		ready, err := Wait(ctx, p, p)
		require.NoError(t, err)
		require.Equal(t, []Waitable{p, p}, ready)
		require.NoError(t, p.Wait(ctx))
	})
	t.Run("end that is sent away", func(t *testing.T) {
		_, b := aPair[int](t)
		waiting := awaiting(ctx, b)
		eventually(t, func() bool { return awaited(b) }, "a sleeper")
		_, err := takesConns.Run(ctx, []*Conn[int]{b})
		require.NoError(t, err)
		hear(t, waiting)
		_, err = Wait(ctx, b)
		require.ErrorIs(t, err, ErrMoved)
	})
	t.Run("one that never can", func(t *testing.T) {
		_, sender, err := NewPipe[int](OneWay())
		require.NoError(t, err)
		_, err = Wait(ctx, sender)
		require.ErrorIs(t, err, ErrOneWay)
		require.NoError(t, sender.Close())
		_, err = Wait(ctx, new(Conn[int]))
		require.ErrorIs(t, err, ErrClosed)
	})
}

// awaited reports whether somebody of this process has announced a sleep at c.
func awaited[T any](c *Conn[T]) bool { return connWord(c, 16).Load() != 0 }

func TestWaitForNothingWaitsForTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	waiting := begin(func() error { _, err := Wait(ctx); return err })
	cancel()
	require.ErrorIs(t, hear(t, waiting), context.Canceled)
	_, err := Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// More than the kernel takes at a time.
func TestWaitForHundreds(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	const n = 300
	var all []Waitable
	var senders []*Conn[int]
	for range n {
		a, b := aPair[int](t)
		senders, all = append(senders, a), append(all, b)
	}
	for _, i := range []int{0, 61, 62, 63, 64, 150, n - 1} {
		waiting := awaiting(ctx, all...)
		eventually(t, func() bool { return awaited(all[n-1].(*Conn[int])) }, "a sleeper")
		require.NoError(t, senders[i].Send(ctx, i))
		require.Equal(t, []Waitable{all[i]}, hear(t, waiting))
		_, err := all[i].(*Conn[int]).Recv(ctx)
		require.NoError(t, err)
	}
	runtime.KeepAlive(all)
}

// Whoever waits and takes nothing must not keep the wake-up from one that does. A
// message wakes one process, the one that has slept longest: here that is mostly this
// one. It may find the message gone, and go on waiting.
func TestWaitLeavesTheWakeUpToTheConsumer(t *testing.T) {
	ctx := within(t)
	q, err := NewQueue[int](4)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	for round := range 8 {
		aside, cancel := context.WithCancel(ctx)
		before := announcements(q)
		waiting := awaiting(aside, q)
		eventually(t, func() bool { return announcements(q) > before }, "one who waits")
		before = announcements(q)
		child, err := takesOne.Start(ctx, q)
		require.NoError(t, err)
		eventually(t, func() bool { return announcements(q) > before }, "a consumer that sleeps")
		require.NoError(t, q.Put(ctx, round))
		require.NoError(t, child.Wait(ctx))
		cancel()
		hear(t, waiting)
		require.True(t, q.Empty())
	}
	require.NoError(t, q.Close())
}

// announcements is how many announcements of sleep there were at the queue's messages (see
// ipc.Ring and its doorbell).
func announcements[T any](q *Queue[T]) uint64 {
	return shm.At[atomic.Uint64](q.view.obj.Bytes(), 144).Load() >> 32
}

// Processes that do nothing but wait, at every moment of a queue's life, take nothing
// from the one that gets.
func TestWaitTakesNothing(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	q, err := NewQueue[int](8)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	var waiting []*Process
	for range 2 {
		p, err := onlyWaits.Start(ctx, q)
		require.NoError(t, err)
		waiting = append(waiting, p)
	}
	const n = 3000
	sent := begin(func() error {
		for i := range n {
			if err := q.Put(ctx, i); err != nil {
				return err
			}
		}
		return q.Close()
	})
	for i := range n {
		got, err := q.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i, got, "every message is still there, in its place")
	}
	require.NoError(t, hear(t, sent))
	for _, p := range waiting {
		require.NoError(t, p.Wait(ctx))
	}
}

var onlyWaits = Register("test.onlyWaits", func(ctx context.Context, q *Queue[int]) (times int, err error) {
	for ; !q.view.Closed(); times++ {
		if _, err := Wait(ctx, q); err != nil {
			return times, err
		}
	}
	return times, nil
})

var takesOne = Register("test.takesOne", func(ctx context.Context, q *Queue[int]) (int, error) { return q.Get(ctx) })

// A signal of the terminal or of a timer does not end it.
func TestWaitSurvivesSignals(t *testing.T) {
	ctx := within(t)
	a, b := aPair[int](t)
	waiting := awaiting(ctx, b)
	for range 20 {
		require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGURG))
		runtime.Gosched()
	}
	require.NoError(t, a.Send(ctx, 1))
	require.Equal(t, []Waitable{b}, hear(t, waiting))
}
