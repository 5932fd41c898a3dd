package mp

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// newQueue makes a queue that is freed at the end of the test, when nothing may be
// left.
func newQueue[T any](t testing.TB, capacity int, opts ...QueueOption) *Queue[T] {
	t.Helper()
	endEmpty(t)
	q, err := NewQueue[T](capacity, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { giveBack(t, []freer{q}) })
	return q
}

// endsEmpty are the tests at whose end nothing may be left.
var endsEmpty sync.Map // testing.TB → true

// endEmpty checks that nothing is left when everything else of the test is over.
func endEmpty(t testing.TB) {
	if _, known := endsEmpty.LoadOrStore(t, true); known {
		return
	}
	t.Cleanup(func() {
		endsEmpty.Delete(t)
		if !t.Failed() {
			requireEmpty(t)
		}
	})
}

func TestQueueKeepsOrderForAnyCapacity(t *testing.T) {
	for _, capacity := range []int{0, 1, 2, 3, 7, 64, 1000} {
		q := newQueue[int](t, capacity)
		require.Equal(t, capacity, q.Cap())
		next, want := 0, 0
		for round := range 300 {
			for range 1 + round%5 {
				if err := q.TryPut(next); err != nil {
					require.ErrorIs(t, err, ErrFull)
					require.True(t, q.Full())
					break
				}
				next++
			}
			require.Equal(t, next-want, q.Len())
			require.False(t, q.Empty())
			for range 1 + round%4 {
				v, err := q.TryGet()
				if err != nil {
					require.ErrorIs(t, err, ErrEmpty)
					require.True(t, q.Empty())
					break
				}
				require.Equal(t, want, v)
				want++
			}
		}
	}
}

func TestAQueueOfNothingCounts(t *testing.T) {
	q := newQueue[struct{}](t, 3)
	for range 3 {
		require.NoError(t, q.TryPut(struct{}{}))
	}
	require.ErrorIs(t, q.TryPut(struct{}{}), ErrFull)
	n, err := q.GetBatch(t.Context(), make([]struct{}, 10))
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestBatchesArePutAndGotInOrder(t *testing.T) {
	for _, capacity := range []int{0, 1, 5, 1000} {
		ints := newQueue[int](t, capacity)
		texts := newQueue[string](t, capacity)
		const n = 500
		go func() {
			var is []int
			var ss []string
			for i := range n {
				is, ss = append(is, i), append(ss, strings.Repeat("x", i*3))
			}
			put, err := ints.PutBatch(context.Background(), is)
			if err != nil || put != n {
				t.Errorf("%d: %v", put, err)
			}
			if put, err = texts.PutBatch(context.Background(), ss); err != nil || put != n {
				t.Errorf("%d: %v", put, err)
			}
		}()
		for want := 0; want < n; {
			into := make([]int, 1+want%100)
			got, err := ints.GetBatch(t.Context(), into)
			require.NoError(t, err)
			require.Positive(t, got)
			for _, v := range into[:got] {
				require.Equal(t, want, v)
				want++
			}
		}
		for want := 0; want < n; {
			into := make([]string, 7)
			got, err := texts.GetBatch(t.Context(), into)
			require.NoError(t, err)
			for _, v := range into[:got] {
				require.Len(t, v, want*3)
				want++
			}
		}
		_, err := ints.TryGetBatch(make([]int, 3))
		require.ErrorIs(t, err, ErrEmpty)
		got, err := ints.GetBatch(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, got)
		put, err := ints.PutBatch(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, put)
	}
}

func TestGetIntoGetsToTheSameMemory(t *testing.T) {
	numbers := newQueue[[3]int](t, 2)
	var n [3]int
	require.Panics(t, func() { _ = numbers.GetInto(t.Context(), nil) })
	require.NoError(t, numbers.Put(t.Context(), [3]int{1, 2, 3}))
	require.Panics(t, func() { _ = numbers.GetInto(t.Context(), nil) })
	require.NoError(t, numbers.GetInto(t.Context(), &n))
	require.Equal(t, [3]int{1, 2, 3}, n)
	require.ErrorIs(t, numbers.GetInto(cancelled(t), &n), context.Canceled)
	require.Equal(t, [3]int{1, 2, 3}, n, "as it was")

	texts := newQueue[string](t, 2)
	s := "before"
	require.ErrorIs(t, texts.GetInto(cancelled(t), &s), context.Canceled)
	require.Equal(t, "before", s)
	require.NoError(t, texts.Put(t.Context(), "a text"))
	require.NoError(t, texts.GetInto(t.Context(), &s))
	require.Equal(t, "a text", s)
	require.NoError(t, texts.Close())
	require.ErrorIs(t, texts.GetInto(t.Context(), &s), ErrClosed)
	require.Equal(t, "a text", s)
}

// cancelled is a context that is done.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestPlainMessagesOfEverySizeArrive(t *testing.T) {
	t.Run("1", func(t *testing.T) { plainMessagesArrive(t, func(i int) [1]byte { return [1]byte{byte(i)} }) })
	t.Run("64", func(t *testing.T) { plainMessagesArrive(t, func(i int) (m [64]byte) { m[63] = byte(i); return m }) })
	t.Run("256", func(t *testing.T) { plainMessagesArrive(t, func(i int) (m [256]byte) { m[255] = byte(i); return m }) })
	t.Run("257", func(t *testing.T) { plainMessagesArrive(t, func(i int) (m [257]byte) { m[256] = byte(i); return m }) })
	t.Run("9000", func(t *testing.T) { plainMessagesArrive(t, func(i int) (m [9000]byte) { m[8999] = byte(i); return m }) })
}

// plainMessagesArrive puts and gets messages in all ways, some of which had been received
// and were returned, in a bounded queue and in one that grows.
func plainMessagesArrive[T any](t *testing.T, message func(int) T) {
	for _, capacity := range []int{0, 32} {
		q := newQueue[T](t, capacity)
		put, got := 0, 0
		for round := range 5 {
			require.NoError(t, q.Put(t.Context(), message(put)))
			require.NoError(t, q.TryPut(message(put+1)))
			var batch []T
			for i := range 20 {
				batch = append(batch, message(put+2+i))
			}
			n, err := q.PutBatch(t.Context(), batch)
			require.NoError(t, err)
			require.Equal(t, 20, n)
			put += 22
			if round%2 == 1 {
				d, err := q.TryReceive()
				require.NoError(t, err)
				require.NoError(t, d.Nack(0)) // it comes first
			}
			m, err := q.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, message(got), m)
			require.NoError(t, q.GetInto(t.Context(), &m))
			require.Equal(t, message(got+1), m)
			m, err = q.TryGet()
			require.NoError(t, err)
			require.Equal(t, message(got+2), m)
			got += 3
			for into := make([]T, 17); got < put; {
				n, err := q.TryGetBatch(into)
				require.NoError(t, err)
				for _, m := range into[:n] {
					require.Equal(t, message(got), m)
					got++
				}
			}
			_, err = q.TryGet()
			require.ErrorIs(t, err, ErrEmpty)
		}
	}
}

func TestAnEndedContextPutsAndGetsNothing(t *testing.T) {
	q := newQueue[int](t, 2)
	require.NoError(t, q.Put(t.Context(), 1))
	require.ErrorIs(t, q.Put(cancelled(t), 2), context.Canceled)
	_, err := q.Get(cancelled(t))
	require.ErrorIs(t, err, context.Canceled)
	_, err = q.PutBatch(cancelled(t), upTo[int](20))
	require.ErrorIs(t, err, context.Canceled)
	_, err = q.GetBatch(cancelled(t), make([]int, 20))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, q.Len())
}

func TestALoopThatOnlyItsContextEndsEnds(t *testing.T) {
	q := newQueue[int](t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, q.Put(ctx, 1))
	_, err := q.Get(ctx)
	require.NoError(t, err)
	cancel()
	for err == nil {
		if err = q.Put(ctx, 1); err == nil {
			_, err = q.Get(ctx)
		}
	}
	require.ErrorIs(t, err, context.Canceled)
}

func TestTryPutAndTryGetAmongPutAndGet(t *testing.T) {
	q := newQueue[int](t, 4)
	for i := range 1000 {
		require.NoError(t, q.Put(t.Context(), i))
		require.NoError(t, q.TryPut(-i))
		v, err := q.TryGet()
		require.NoError(t, err)
		require.Equal(t, i, v)
		v, err = q.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, -i, v)
	}
}

func TestAQueueThatIsFreedBetweenPutsIsNotUsed(t *testing.T) {
	q, err := NewQueue[int](4)
	require.NoError(t, err)
	for i := range 3 {
		require.NoError(t, q.Put(t.Context(), i)) // the first one goes another way than the others
	}
	require.NoError(t, q.Free())
	require.ErrorIs(t, q.Put(t.Context(), 3), ErrClosed)
	require.ErrorIs(t, q.TryPut(3), ErrClosed)
	_, err = q.Get(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	_, err = q.TryGet()
	require.ErrorIs(t, err, ErrClosed)
}

func TestABatchThatDoesNotFitSaysHowMuchWasPut(t *testing.T) {
	q := newQueue[int](t, 4)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		eventually(t, q.Full, "four messages")
		cancel()
	}()
	n, err := q.PutBatch(ctx, []int{1, 2, 3, 4, 5, 6})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 4, n)
	require.NoError(t, q.Close())
	n, err = q.PutBatch(t.Context(), []int{1})
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, n)
	into := make([]int, 10)
	n, err = q.GetBatch(t.Context(), into)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3, 4}, into[:n])
	_, err = q.GetBatch(t.Context(), into)
	require.ErrorIs(t, err, ErrClosed)
}

func TestADeliveryIsAcknowledgedOrReturnedOnce(t *testing.T) {
	q := newQueue[string](t, 4)
	long := strings.Repeat("long ", 5000) // lies in a block of its own
	for _, text := range []string{"short", long} {
		require.NoError(t, q.Put(t.Context(), text))
		d, err := q.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, text, d.Value)
		require.Equal(t, 1, d.Attempt)
		require.NoError(t, d.Nack(0))
		require.ErrorIs(t, d.Nack(0), ErrNotLeased)
		require.ErrorIs(t, d.Ack(), ErrNotLeased)
		d, err = q.TryReceive()
		require.NoError(t, err)
		require.Equal(t, text, d.Value)
		require.Equal(t, 2, d.Attempt)
		require.NoError(t, d.Nack(0))
		got, err := q.TryGet()
		require.NoError(t, err)
		require.Equal(t, text, got)
		_, err = q.TryReceive()
		require.ErrorIs(t, err, ErrEmpty)
		require.NoError(t, q.Join(t.Context()))
	}
}

func TestADeliveryKeepsItsQueue(t *testing.T) {
	q, err := NewQueue[string](2)
	require.NoError(t, err)
	require.NoError(t, q.Put(t.Context(), strings.Repeat("x", 100_000)))
	d, err := q.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, q.Free())
	require.NoError(t, d.Ack())
	requireEmpty(t)
}

func TestAMessageOnLeaseKeepsWhatItSpeaksOf(t *testing.T) {
	for _, capacity := range []int{0, 2} {
		q := newQueue[*Value[int]](t, capacity)
		v, err := NewValue(7)
		require.NoError(t, err)
		require.NoError(t, q.Put(t.Context(), v))
		require.NoError(t, v.Free())
		d, err := q.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.Value.Free())
		require.NoError(t, d.Nack(0))
		for range 200 { // the ring goes round, or on, without it
			w, err := NewValue(1)
			require.NoError(t, err)
			require.NoError(t, q.Put(t.Context(), w))
			require.NoError(t, w.Free())
			for got := 7; got == 7; {
				d, err = q.Receive(t.Context())
				require.NoError(t, err)
				if got = d.Value.Load(); got == 7 {
					require.NoError(t, d.Nack(time.Millisecond))
				} else {
					require.NoError(t, d.Ack())
				}
				require.NoError(t, d.Value.Free())
			}
		}
		eventually(t, func() bool {
			w, err := q.TryGet()
			return err == nil && w.Load() == 7 && w.Free() == nil
		}, "the message that came back so often")
	}
}

func TestTooManyAttemptsGoToTheDeadLetters(t *testing.T) {
	dead := newQueue[string](t, 1)
	q := newQueue[string](t, 8, WithMaxAttempts(2, dead))
	long := strings.Repeat("poison ", 1000)
	for _, text := range []string{"poison", long} {
		require.NoError(t, q.Put(t.Context(), text))
		for attempt := range 2 {
			d, err := q.TryReceive()
			require.NoError(t, err)
			require.Equal(t, attempt+1, d.Attempt)
			require.NoError(t, d.Nack(0))
		}
		require.NoError(t, q.Join(within(t)), "nobody has to look")
		_, err := q.TryReceive()
		require.ErrorIs(t, err, ErrEmpty)
		got, err := dead.TryGet()
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
	// Get gives up, too; and a full queue of dead letters loses none.
	require.NoError(t, dead.Put(t.Context(), "in the way"))
	require.NoError(t, q.Put(t.Context(), "waits"))
	for range 2 {
		d, err := q.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.Nack(0))
	}
	_, err := q.TryGet()
	require.ErrorIs(t, err, ErrEmpty)
	_, err = dead.Get(t.Context())
	require.NoError(t, err)
	eventually(t, func() bool { _, err = q.TryGet(); return dead.Len() == 1 }, "the dead letter moved")
	require.ErrorIs(t, err, ErrEmpty)
}

// A limit beyond what is counted is none.
func TestSoManyAttemptsAreNoLimit(t *testing.T) {
	const many = math.MaxInt>>32<<32 | 1
	if many == 1 {
		t.Skip("an int has 32 bits")
	}
	q := newQueue[int](t, 1, WithMaxAttempts(many, newQueue[int](t, 1)))
	require.NoError(t, q.Put(t.Context(), 7))
	for attempt := range 3 {
		d, err := q.TryReceive()
		require.NoError(t, err)
		require.Equal(t, attempt+1, d.Attempt)
		require.NoError(t, d.Nack(0))
	}
	_, err := q.TryGet()
	require.NoError(t, err)
}

func TestAttemptsNeedAQueueForTheDead(t *testing.T) {
	_, err := NewQueue[string](1, WithMaxAttempts[string](2, nil))
	require.ErrorContains(t, err, "dead letters")
	_, err = NewQueue[string](1, WithMaxAttempts(2, newQueue[int](t, 1)))
	require.ErrorContains(t, err, "*mp.Queue[string], not *mp.Queue[int]")
	_, err = NewQueue[int](1, WithMaxAttempts(0, newQueue[int](t, 1)))
	require.ErrorContains(t, err, "at least 1")
	narrow := newQueue[string](t, 1, WithMaxMessage(100))
	_, err = NewQueue[string](1, WithMaxAttempts(1, narrow))
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorContains(t, err, "WithMaxMessage(100)")
	_, err = NewQueue[string](1, WithMaxAttempts(1, narrow), WithMaxMessage(101))
	require.ErrorIs(t, err, ErrTooLarge)
	require.NoError(t, newQueue[string](t, 1, WithMaxAttempts(1, narrow), WithMaxMessage(100)).Put(t.Context(), "fits"))
	newQueue[int](t, 1, WithMaxAttempts(1, newQueue[int](t, 1, WithMaxMessage(8))))
	freed, err := NewQueue[int](1)
	require.NoError(t, err)
	require.NoError(t, freed.Free())
	_, err = NewQueue[int](1, WithMaxAttempts(1, freed))
	require.ErrorIs(t, err, ErrClosed)
}

func TestMessagesBeyondTheLimitAreRefused(t *testing.T) {
	q := newQueue[[]byte](t, 4, WithMaxMessage(1000))
	require.NoError(t, q.Put(t.Context(), make([]byte, 999)))
	for _, n := range []int{1001, 1 << 20} {
		require.ErrorIs(t, q.Put(t.Context(), make([]byte, n)), ErrTooLarge)
		_, err := Loan(q, n)
		require.ErrorIs(t, err, ErrTooLarge)
	}
	require.Equal(t, 1, q.Len())
	_, err := NewQueue[[64]byte](4, WithMaxMessage(63))
	require.ErrorIs(t, err, ErrTooLarge)
	texts := newQueue[map[string]string](t, 4, WithMaxMessage(100))
	require.ErrorIs(t, texts.Put(t.Context(), map[string]string{"a": strings.Repeat("b", 100)}), ErrTooLarge)
	require.NoError(t, texts.Put(t.Context(), map[string]string{"a": "b"}))
	none := newQueue[string](t, 1, WithMaxMessage(0))
	require.NoError(t, none.Put(t.Context(), ""))
	require.ErrorIs(t, none.TryPut("x"), ErrTooLarge)
}

// fickle cannot be decoded if it says so.
type fickle struct{ Text string }

func (f fickle) MarshalCBOR() ([]byte, error) { return cbor.Marshal(f.Text) }

func (f *fickle) UnmarshalCBOR(b []byte) error {
	if err := cbor.Unmarshal(b, &f.Text); err != nil {
		return err
	}
	if f.Text == "bad" {
		return io.ErrNoProgress
	}
	return nil
}

func TestAMessageThatCannotBeDecodedIsReportedOnce(t *testing.T) {
	q := newQueue[fickle](t, 8)
	fill := func() {
		for _, text := range []string{"a", "bad", "b"} {
			require.NoError(t, q.Put(t.Context(), fickle{text}))
		}
	}
	fill()
	got, err := q.TryGet()
	require.NoError(t, err)
	require.Equal(t, "a", got.Text)
	_, err = q.TryGet()
	require.ErrorContains(t, err, io.ErrNoProgress.Error())
	got, err = q.TryGet()
	require.NoError(t, err)
	require.Equal(t, "b", got.Text)

	fill()
	into := make([]fickle, 5)
	n, err := q.TryGetBatch(into)
	require.ErrorContains(t, err, io.ErrNoProgress.Error())
	require.Equal(t, []fickle{{"a"}, {"b"}}, into[:n])

	fill()
	var texts []string
	var failures int
	for range 3 {
		d, err := q.TryReceive()
		if err != nil {
			require.ErrorContains(t, err, io.ErrNoProgress.Error())
			failures++
			continue
		}
		texts = append(texts, d.Value.Text)
		require.NoError(t, d.Ack())
	}
	require.Equal(t, []string{"a", "b"}, texts)
	require.Equal(t, 1, failures)
	require.NoError(t, q.Join(t.Context()))
}

func TestAMessageThatCannotBeEncodedTakesNoPlace(t *testing.T) {
	q := newQueue[func1](t, 1)
	require.ErrorContains(t, q.Put(t.Context(), func1{"unsendable"}), "no such text")
	require.NoError(t, q.Put(t.Context(), func1{"fine"}))
	got, err := q.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "fine", got.Text)
}

type func1 struct{ Text string }

func (f func1) MarshalCBOR() ([]byte, error) {
	if f.Text == "unsendable" {
		return nil, errors.New("no such text")
	}
	return cbor.Marshal(f.Text)
}

func (f *func1) UnmarshalCBOR(b []byte) error { return cbor.Unmarshal(b, &f.Text) }

func TestALoanIsReadWhereItWasWritten(t *testing.T) {
	q := newQueue[[]int32](t, 4)
	for round := range 20 { // the blocks are used again
		l, err := Loan(q, 100_000)
		require.NoError(t, err)
		require.Len(t, l.Slice(), 100_000)
		for i := range l.Slice() {
			l.Slice()[i] = int32(i + round)
		}
		require.NoError(t, l.Publish(t.Context()))
		require.ErrorIs(t, l.Publish(t.Context()), ErrClosed)
		l.Discard()
		b, err := Borrow(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, b.Slice(), 100_000)
		require.Equal(t, int32(99_999+round), b.Slice()[99_999])
		require.Equal(t, int32(round), b.Slice()[0])
		b.Release()
		b.Release()
	}
	require.LessOrEqual(t, inUse(), 3, "the queue, its spares, and one block")
}

func TestAQueueOfLongMessagesMakesNoNewBlocksInFlow(t *testing.T) {
	const room = 8
	requireEmpty(t)
	q := newQueue[[]byte](t, room)
	for range 3 { // it is full, one message is being written, and one read
		var out []*Borrowed[byte]
		for range room + 2 {
			if q.Full() {
				b, err := Borrow(t.Context(), q)
				require.NoError(t, err)
				out = append(out, b)
			}
			l, err := Loan(q, 100_000)
			require.NoError(t, err)
			require.NoError(t, l.Publish(t.Context()))
		}
		for !q.Empty() {
			b, err := Borrow(t.Context(), q)
			require.NoError(t, err)
			out = append(out, b)
		}
		for _, b := range out {
			b.Release()
		}
		require.Equal(t, 2+room+2, inUse(), "the queue, its spares, and all blocks")
	}
}

func TestAQueueKeepsFewOfTheBiggestBlocks(t *testing.T) {
	const room = maxBigSpares + 1
	for size, kept := range map[int]int{minSpare: room, bigSpare + 1: maxBigSpares} {
		requireEmpty(t)
		q, err := NewQueue[[]byte](room)
		require.NoError(t, err)
		var out [room]*Borrowed[byte]
		for range out {
			l, err := Loan(q, size)
			require.NoError(t, err)
			require.NoError(t, l.Publish(t.Context()))
		}
		for i := range out {
			b, err := Borrow(t.Context(), q)
			require.NoError(t, err)
			out[i] = b
		}
		for _, b := range out {
			b.Release()
		}
		require.Equal(t, 2+kept, inUse(), "the queue, its spares, and blocks for %d bytes", size)
		require.NoError(t, q.Free())
	}
	require.True(t, keepsMore(maxSpares-1, bigSpare))
	require.False(t, keepsMore(maxSpares, minSpare))
	require.True(t, spareable(maxSpare))
	require.False(t, spareable(maxSpare+1))
	require.False(t, spareable(minSpare-1))
}

func TestLoansAndCopiesMix(t *testing.T) {
	q := newQueue[[]uint64](t, 4)
	for _, n := range []int{0, 1, 10, 60, 61, 62, 1000, 5000, 300_000} {
		want := make([]uint64, n)
		for i := range want {
			want[i] = uint64(i * n)
		}
		l, err := Loan(q, n)
		require.NoError(t, err)
		copy(l.Slice(), want)
		require.NoError(t, l.TryPublish())
		require.NoError(t, q.TryPut(want))
		got, err := q.TryGet()
		require.NoError(t, err)
		require.Equal(t, want, got)
		b, err := TryBorrow(q)
		require.NoError(t, err)
		require.Equal(t, want, b.Slice())
		b.Release()
	}
	_, err := TryBorrow(q)
	require.ErrorIs(t, err, ErrEmpty)
	l, err := Loan(q, 10)
	require.NoError(t, err)
	for range 4 {
		require.NoError(t, q.Put(t.Context(), nil))
	}
	require.ErrorIs(t, l.TryPublish(), ErrFull)
	require.Len(t, l.Slice(), 10, "still the caller's")
	l.Discard()
	require.NoError(t, q.Close())
	l, err = Loan(q, 3)
	require.NoError(t, err)
	require.ErrorIs(t, l.Publish(t.Context()), ErrClosed)
	l.Discard()
}

func TestALoanOutlivesTheHandleOfItsQueue(t *testing.T) {
	endEmpty(t)
	q, err := NewQueue[[]byte](2)
	require.NoError(t, err)
	l, err := Loan(q, 100_000)
	require.NoError(t, err)
	require.NoError(t, q.Free())
	require.NotZero(t, inUse(), "the loan keeps the queue, which keeps the spares")
	require.ErrorIs(t, l.Publish(t.Context()), ErrClosed)
	l.Discard()
}

func TestLoansThatCannotBe(t *testing.T) {
	q := newQueue[[]byte](t, 1)
	_, err := Loan(q, -1)
	require.ErrorContains(t, err, "-1")
	_, err = Loan(q, math.MaxInt)
	require.Error(t, err)
	_, err = Loan(q, 1<<50)
	require.ErrorIs(t, err, ErrTooLarge)
	texts := newQueue[[]string](t, 1)
	_, err = Loan(texts, 1)
	require.ErrorIs(t, err, ErrNotPlain)
	_, err = Loan(new(Queue[[]byte]), 1)
	require.ErrorIs(t, err, ErrClosed)
	_, err = Borrow(t.Context(), new(Queue[[]byte]))
	require.ErrorIs(t, err, ErrClosed)
}

// Memory is not believed to hold values that are none.
func TestABorrowedBoolIsTrueOrFalse(t *testing.T) {
	q := newQueue[[]bool](t, 1)
	l, err := Loan(q, 10_000)
	require.NoError(t, err)
	*shm.At[byte](shm.Raw(l.Slice()), 77) = 2
	require.NoError(t, l.Publish(t.Context()))
	_, err = Borrow(t.Context(), q)
	require.Error(t, err)
}

func TestAGrowingQueueGivesItsMemoryBack(t *testing.T) {
	q := newQueue[[64]byte](t, 0)
	before := inUse()
	for range 3 {
		for i := range 20_000 {
			require.NoError(t, q.TryPut([64]byte{byte(i)}))
		}
		require.Equal(t, 20_000, q.Len())
		require.Greater(t, inUse(), before)
		for i := range 20_000 {
			v, err := q.TryGet()
			require.NoError(t, err)
			require.Equal(t, byte(i), v[0])
		}
		_, err := q.TryGet()
		require.ErrorIs(t, err, ErrEmpty)
		require.LessOrEqual(t, inUse(), before+1)
	}
}

func TestALargeMessageArrives(t *testing.T) {
	for _, n := range []int{1 << 20, 64<<20 + 5} {
		q := newQueue[[]byte](t, 2)
		want := make([]byte, n)
		for i := range n / 4096 {
			want[i*4096] = byte(i)
		}
		require.NoError(t, q.Put(t.Context(), want))
		got, err := q.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, len(want), len(got))
		require.True(t, string(want) == string(got))
	}
}

func TestAQueueTakesTheMemoryOfItsCells(t *testing.T) {
	a, err := arena()
	require.NoError(t, err)
	for _, capacity := range []int{1, 64, 1000, 100_000} {
		before := a.Stats().Bytes
		q := newQueue[[48]byte](t, capacity) // one line with what belongs to a cell
		require.LessOrEqual(t, a.Stats().Bytes-before, int64(capacity*64+4096))
		require.NoError(t, q.Put(t.Context(), [48]byte{1}))
	}
}

func TestDeliveriesEndWhenAllIsDealtWith(t *testing.T) {
	q := newQueue[int](t, 4)
	for n := range 3 {
		require.NoError(t, q.Put(t.Context(), n))
	}
	require.NoError(t, q.Close())
	var got []int
	for d, err := range q.Deliveries(t.Context()) {
		require.NoError(t, err)
		got = append(got, d.Value)
		if d.Value == 1 && d.Attempt == 1 {
			require.NoError(t, d.Nack(0)) // and it comes again, though the queue is closed
			continue
		}
		require.NoError(t, d.Ack())
	}
	require.Equal(t, []int{0, 1, 1, 2}, got)
}

func TestDeliveriesEndWithTheirContext(t *testing.T) {
	q := newQueue[int](t, 4)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.NoError(t, q.Put(ctx, 1))
	for d, err := range q.Deliveries(ctx) {
		require.NoError(t, err)
		require.NoError(t, d.Ack())
		cancel()
	}
	require.NoError(t, q.Join(t.Context()))
}
