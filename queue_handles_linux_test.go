package mp

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A selfMail is a message that may bring a queue of such messages.
type selfMail struct {
	N     int
	Queue *Queue[selfMail]
}

// A message in a queue does not keep that queue: nobody could take it out who has no
// handle.
func TestAQueueInItsOwnMessagesIsFreed(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	q, err := NewQueue[selfMail](4)
	require.NoError(t, err)
	for i := range 3 {
		require.NoError(t, q.Put(ctx, selfMail{i, q}))
	}
	d, err := q.Receive(ctx)
	require.NoError(t, err)
	require.NoError(t, d.Nack(0))
	require.NoError(t, d.Value.Queue.Free())
	m, err := q.Get(ctx) // which keeps it as any handle does
	require.NoError(t, err)
	require.NoError(t, q.Free())
	require.NoError(t, m.Queue.Put(ctx, selfMail{N: 4}))
	require.NoError(t, m.Queue.Free())
}

// The same where its last process is killed.
func TestAQueueInItsOwnMessagesEndsWithItsLastProcess(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	p, err := mailsItself.Start(ctx, 0)
	require.NoError(t, err)
	<-p.Done()
	require.Error(t, p.Wait(ctx), "it was killed")
}

var mailsItself = Register("test.mailsItself", func(ctx context.Context, _ int) (int, error) {
	q, err := NewQueue[selfMail](4)
	if err == nil {
		err = q.Put(ctx, selfMail{1, q})
	}
	if err == nil {
		killMyself()
	}
	return 0, err
})

// Two queues in each other's messages keep each other. Whoever takes one of the
// messages out ends that.
func TestQueuesInEachOthersMessagesKeepEachOther(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	a, err := NewQueue[selfMail](1)
	require.NoError(t, err)
	b, err := NewQueue[selfMail](1)
	require.NoError(t, err)
	require.NoError(t, a.Put(ctx, selfMail{1, b}))
	require.NoError(t, b.Put(ctx, selfMail{2, a}))
	require.NoError(t, b.Free())
	m, err := a.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, a.Free())
	n, err := m.Queue.Get(ctx)
	require.NoError(t, err, "it kept what it brings")
	require.Equal(t, 2, n.N)
	require.NoError(t, m.Queue.Free())
	require.NoError(t, n.Queue.Free())
}

// A message that is returned takes the ends of pipes in it along, to whomever gets it
// next.
func TestAReturnedMessageBringsItsConnToTheNext(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	q, err := NewQueue[*Conn[string]](2)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	a, b, err := NewPipe[string]()
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, b))
	d, err := q.Receive(ctx)
	require.NoError(t, err)
	require.NoError(t, a.Send(ctx, "first"))
	require.NoError(t, a.Send(ctx, "second"))
	s, err := d.Value.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "first", s)
	require.NoError(t, d.Nack(0))
	require.ErrorIs(t, d.Nack(0), ErrNotLeased)
	_, err = d.Value.Recv(ctx)
	require.ErrorIs(t, err, ErrMoved)

	s, err = receivesAnEnd.Run(ctx, q) // another process
	require.NoError(t, err)
	require.Equal(t, "second", s)
	s, err = a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "thanks", s)
	require.NoError(t, a.Close())
}

var receivesAnEnd = Register("test.receivesAnEnd", func(ctx context.Context, q *Queue[*Conn[string]]) (string, error) {
	d, err := q.Receive(ctx)
	if err != nil {
		return "", err
	}
	s, err := d.Value.Recv(ctx)
	if err == nil {
		err = d.Value.Send(ctx, "thanks")
	}
	if err == nil {
		err = d.Ack()
	}
	return s, err
})

// A dead letter for which there is no room keeps the ends of pipes in it.
func TestADeadLetterThatHasToWaitKeepsItsConn(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	dead, err := NewQueue[*Conn[string]](1)
	require.NoError(t, err)
	defer func() { require.NoError(t, dead.Free()) }()
	q, err := NewQueue[*Conn[string]](2, WithMaxAttempts(1, dead))
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Free()) }()
	a, b, err := NewPipe[string]()
	require.NoError(t, err)
	inTheWay, other, err := NewPipe[string]()
	require.NoError(t, err)
	require.NoError(t, dead.Put(ctx, inTheWay))
	require.NoError(t, q.Put(ctx, b))
	d, err := q.Receive(ctx)
	require.NoError(t, err)
	require.NoError(t, d.Nack(0))
	_, err = q.TryReceive()
	require.ErrorIs(t, err, ErrEmpty)
	require.Equal(t, 1, q.Len(), "there is no room for it")

	moved, err := dead.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, errors.Join(moved.Close(), other.Close()))
	_, err = buries.Run(ctx, burial{q, dead}) // another process
	require.NoError(t, err)
	require.NoError(t, a.Send(ctx, "second"))
	s, err := receivesAnEnd.Run(ctx, dead)
	require.NoError(t, err)
	require.Equal(t, "second", s)
	s, err = a.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "thanks", s)
	require.NoError(t, a.Close())
}

type burial struct{ Queue, Dead *Queue[*Conn[string]] }

// buries comes upon the dead letters of a queue until one has moved.
var buries = Register("test.buries", func(ctx context.Context, in burial) (int, error) {
	for in.Dead.Empty() {
		if _, err := in.Queue.TryReceive(); !errors.Is(err, ErrEmpty) {
			return 0, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	return 0, nil
})

// Two handles of one end are one end: it can be sent on, returned and buried.
func TestAnEndThatAMessageBringsTwiceIsBuriedOnce(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	type both struct{ A, B *Conn[string] }
	dead, err := NewQueue[both](1)
	require.NoError(t, err)
	q, err := NewQueue[both](1, WithMaxAttempts(2, dead))
	require.NoError(t, err)
	defer func() { giveBack(t, []freer{q, dead}) }()
	a, b, err := NewPipe[string]()
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, both{b, b}))
	for range 2 {
		d, err := q.Receive(ctx)
		require.NoError(t, err)
		require.NoError(t, d.Nack(0))
	}
	m, err := dead.TryGet()
	require.NoError(t, err)
	require.NoError(t, q.Put(ctx, m)) // two handles, as they came
	m, err = q.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, a.Send(ctx, "there"))
	s, err := m.B.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "there", s)
	require.NoError(t, errors.Join(a.Close(), m.A.Close()))
	_ = m.B.Close()
}

// Who buries a message keeps nothing of it: here the last handle of a pipe's writing end
// is the dead letter's.
func TestBuryingAMessageKeepsNoHandles(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	dead, err := NewQueue[*File](1)
	require.NoError(t, err)
	q, err := NewQueue[*File](1, WithMaxAttempts(1, dead))
	require.NoError(t, err)
	defer func() { giveBack(t, []freer{q, dead}) }()
	for _, room := range []bool{true, false} {
		reading, writing, err := os.Pipe()
		require.NoError(t, err)
		f, err := NewFile(ctx, writing)
		require.NoError(t, err)
		require.NoError(t, writing.Close())
		require.NoError(t, q.Put(ctx, f))
		if !room {
			require.NoError(t, dead.Put(ctx, f))
		}
		require.NoError(t, f.Free())
		d, err := q.Receive(ctx)
		require.NoError(t, err)
		require.NoError(t, d.Nack(0))
		require.NoError(t, d.Value.Free())
		for n := 0; n < 2 && !room || n < 1; n++ {
			letter, err := dead.Get(ctx)
			require.NoError(t, err)
			require.NoError(t, letter.Free())
			if !room && n == 0 {
				eventually(t, func() bool { _, err := q.TryReceive(); return errors.Is(err, ErrEmpty) && dead.Len() == 1 }, "a dead letter")
			}
		}
		ended := make(chan error, 1)
		go func() { _, err := reading.Read(make([]byte, 1)); ended <- err }()
		select {
		case err := <-ended:
			require.Equal(t, io.EOF, err)
		case <-ctx.Done():
			require.FailNow(t, "somebody keeps the writing end")
		}
		require.NoError(t, reading.Close())
	}
}

var getsOne = Register("test.getsOne", func(ctx context.Context, in errands) (int, error) {
	n, err := in.Queue.Get(ctx)
	if err != nil {
		return 0, err
	}
	return n, in.Other.Put(ctx, n)
})

// One process waits while this one frees its handle, and a third one puts then.
func TestFreeEndsNoWaitOfAnotherProcess(t *testing.T) {
	in, ctx := newErrands(t, 1), within(t)
	var err error
	in.Queue, err = NewQueue[int](4)
	require.NoError(t, err)
	getter, err := getsOne.Start(ctx, in)
	require.NoError(t, err)
	putter, err := putsFour.Start(ctx, in)
	require.NoError(t, err)
	eventually(t, func() bool { return asleepInKernel(t, getter.PID()) > 0 }, "a getter that sleeps")
	here := begin(func() error { _, err := in.Queue.Get(ctx); return err })
	require.NoError(t, in.Queue.Free())
	require.ErrorIs(t, <-here, ErrClosed)
	require.NoError(t, in.Start.Set())
	got, err := in.Other.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, got)
	require.NoError(t, getter.Wait(ctx))
	require.NoError(t, putter.Wait(ctx))
}
