package mp

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

var floods = Register("test.floods", func(ctx context.Context, in errands) (int, error) {
	for i := 0; ; i++ {
		if err := in.Queue.Put(ctx, i); err != nil {
			return i, err
		}
	}
})

// A producer that is stopped, wherever it is in a Put, is waited for; what it had
// committed is got, and when it goes on, the rest comes in order.
func TestAStoppedProducerLosesNothing(t *testing.T) {
	for _, capacity := range []int{0, 1, 16} {
		in := newErrands(t, capacity)
		p, err := floods.Start(t.Context(), in)
		require.NoError(t, err)
		want := 0
		for range 20 {
			for range 100 {
				got, err := in.Queue.Get(t.Context())
				require.NoError(t, err)
				require.Equal(t, want, got)
				want++
			}
			require.NoError(t, p.Signal(syscall.SIGSTOP))
			for {
				ctx, cancel := context.WithTimeout(t.Context(), patience/10)
				got, err := in.Queue.Get(ctx)
				cancel()
				if err != nil {
					require.ErrorIs(t, err, context.DeadlineExceeded, "it is alive")
					break
				}
				require.Equal(t, want, got)
				want++
			}
			require.NoError(t, p.Signal(syscall.SIGCONT))
		}
		require.NoError(t, p.Kill())
		require.Error(t, p.Wait(t.Context()))
		for {
			got, err := in.Queue.TryGet()
			if err != nil {
				require.ErrorIs(t, err, ErrEmpty)
				break
			}
			require.Equal(t, want, got)
			want++
		}
	}
}

// A harvest is a queue of numbers, and how often each was got.
type harvest struct {
	Queue *Queue[int]
	Got   *Array[int64]
}

var harvestsUntilClosed = Register("test.harvestsUntilClosed", func(ctx context.Context, in harvest) (int, error) {
	for n, err := range in.Queue.All(ctx) {
		if err != nil {
			return 0, err
		}
		AddAt(in.Got, n, 1)
	}
	return 0, ctx.Err()
})

// A consumer that is stopped has what it has taken; others go on, and what it had
// taken comes to nobody else: each message is got once.
func TestAStoppedConsumerIsNotRobbed(t *testing.T) {
	const messages = 3000
	in := harvest{Queue: newQueue[int](t, 64)}
	var err error
	in.Got, err = NewArray[int64](messages)
	require.NoError(t, err)
	defer giveBack(t, []freer{in.Got})
	ends := make(chan error, 2)
	var consumers [2]*Process
	for i := range consumers {
		p, err := harvestsUntilClosed.Start(t.Context(), in)
		require.NoError(t, err)
		consumers[i] = p
		go func() { ends <- p.Wait(context.Background()) }()
	}
	for i := range messages {
		switch i % 100 {
		case 0: // so that there is room for all until it goes on: the cell that it has comes round
			require.NoError(t, in.Queue.Join(t.Context()))
		case 20:
			require.NoError(t, consumers[i/100%2].Signal(syscall.SIGSTOP))
		case 40:
			require.NoError(t, consumers[i/100%2].Signal(syscall.SIGCONT))
		}
		require.NoError(t, in.Queue.Put(t.Context(), i))
	}
	for _, p := range consumers {
		require.NoError(t, p.Signal(syscall.SIGCONT))
	}
	require.NoError(t, in.Queue.Join(t.Context()))
	require.NoError(t, in.Queue.Close())
	for range consumers {
		require.NoError(t, <-ends)
	}
	for i, times := range in.Got.Slice() {
		require.EqualValues(t, 1, times, "message %d", i)
	}
}
