package mp

import (
	"context"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/ipc"
)

// A slowMail says when it is being decoded, and waits.
type slowMail struct{ Text string }

var decoding, decoded = make(chan struct{}), make(chan struct{})

func (m slowMail) MarshalCBOR() ([]byte, error) { return cbor.Marshal(m.Text) }

func (m *slowMail) UnmarshalCBOR(b []byte) error {
	decoding <- struct{}{}
	<-decoded
	return cbor.Unmarshal(b, &m.Text)
}

// A goroutine frees the queue while another one decodes a message of it: the memory
// stays until that has let go of it.
func TestAQueueIsThereUntilItsMessageIsDecoded(t *testing.T) {
	for name, get := range map[string]func(context.Context, *Queue[slowMail]) (slowMail, error){
		"Get": func(ctx context.Context, q *Queue[slowMail]) (slowMail, error) { return q.Get(ctx) },
		"GetBatch": func(ctx context.Context, q *Queue[slowMail]) (slowMail, error) {
			var into [2]slowMail
			_, err := q.GetBatch(ctx, into[:])
			return into[0], err
		},
		"Receive": func(ctx context.Context, q *Queue[slowMail]) (slowMail, error) {
			d, err := q.Receive(ctx)
			if err != nil {
				return slowMail{}, err
			}
			return d.Value, d.Ack()
		},
	} {
		t.Run(name, func(t *testing.T) {
			requireNoLeak(t)
			ctx := within(t)
			q, err := NewQueue[slowMail](2)
			require.NoError(t, err)
			require.NoError(t, q.Put(ctx, slowMail{"m"}))
			got := make(chan slowMail)
			go func() {
				m, err := get(ctx, q)
				require.NoError(t, err)
				got <- m
			}()
			<-decoding
			require.NoError(t, q.Free(), "it waits for no decoder")
			require.NotZero(t, inUse(), "the decoder still reads there")
			decoded <- struct{}{}
			require.Equal(t, slowMail{"m"}, <-got)
			require.Zero(t, inUse())
		})
	}
}

// freeing is a taking during which another goroutine frees the queue's last handle: it
// goes on when that has gone as far as it can.
func freeing[M, T any](t *testing.T, q *Queue[T], take func() (M, error)) (taking func() (M, error), freed <-chan error) {
	done := make(chan error, 1)
	capacity := q.view.Cap()
	return func() (M, error) {
		m, err := take()
		go func() { done <- q.Free() }()
		eventually(t, func() bool { return q.view.Cap() != capacity }, "the view's end")
		return m, err
	}, done
}

// A message that is taken just while another goroutine frees the queue is got, even if it
// brings the queue itself; one that is received is returned.
func TestAMessageThatComesWhileItsQueueIsFreed(t *testing.T) {
	long := string(make([]byte, 2*DefaultInline))
	for name, m := range map[string]string{"short": "m", "long": long} {
		t.Run(name, func(t *testing.T) {
			requireNoLeak(t)
			q, err := NewQueue[string](4)
			require.NoError(t, err)
			require.NoError(t, q.TryPut(m))
			taking, freed := freeing(t, q, func() (ipc.Taken, error) { return q.view.TryTake() })
			got, err := q.view.next(taking)
			require.NoError(t, err)
			require.Equal(t, m, got)
			require.NoError(t, <-freed)
		})
	}
	t.Run("longer than its cell", func(t *testing.T) {
		requireNoLeak(t)
		q, err := NewQueue[[8]int64](4, WithInline(32))
		require.NoError(t, err)
		require.NoError(t, q.TryPut([8]int64{1, 2}))
		taking, freed := freeing(t, q, func() (ipc.Taken, error) { return q.view.TryTake() })
		got, err := q.view.next(taking)
		require.NoError(t, err)
		require.Equal(t, [8]int64{1, 2}, got)
		require.NoError(t, <-freed)
	})
	t.Run("brings the queue", func(t *testing.T) {
		requireNoLeak(t)
		q, err := NewQueue[selfMail](4)
		require.NoError(t, err)
		require.NoError(t, q.TryPut(selfMail{1, q}))
		taking, freed := freeing(t, q, func() (ipc.Taken, error) { return q.view.TryTake() })
		got, err := q.view.next(taking)
		require.NoError(t, err)
		require.NoError(t, <-freed)
		require.NoError(t, got.Queue.TryPut(selfMail{N: 2}), "it lives as long as the message did")
		require.NoError(t, got.Queue.Free())
	})
	t.Run("received", func(t *testing.T) {
		requireNoLeak(t)
		q, err := NewQueue[string](4)
		require.NoError(t, err)
		require.NoError(t, q.TryPut("m"))
		d, err := q.TryReceive()
		require.NoError(t, err)
		require.NoError(t, d.Nack(0))
		taking, freed := freeing(t, q, func() (ipc.Lease, error) { return q.view.TryReceive() })
		_, err = q.view.receive(taking)
		require.ErrorIs(t, err, ErrClosed)
		require.NoError(t, <-freed)
	})
}
