package mp

import (
	"context"
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
