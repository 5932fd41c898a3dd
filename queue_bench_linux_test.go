package mp

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// A haul is what one side of a benchmark does.
type haul struct {
	Queue *Queue[[64]byte]
	Count int
	Batch int // messages in one call, 0 for single ones
	Ready *Event
	Begin *Event
}

var putsHaul = Register("bench.putsHaul", func(ctx context.Context, h haul) (int, error) {
	if err := errors.Join(h.Ready.Set(), h.Begin.Wait(ctx)); err != nil {
		return 0, err
	}
	if h.Batch == 0 {
		for i := range h.Count {
			if err := h.Queue.Put(ctx, [64]byte{}); err != nil {
				return i, err
			}
		}
		return h.Count, nil
	}
	batch := make([][64]byte, h.Batch)
	for n := 0; n < h.Count; n += h.Batch {
		if _, err := h.Queue.PutBatch(ctx, batch); err != nil {
			return n, err
		}
	}
	return h.Count, nil
})

// One process puts messages of 64 bytes, this one gets them; single or in batches;
// for queues of several capacities, which should make no difference.
func BenchmarkQueue(b *testing.B) {
	for _, c := range []struct {
		name            string
		capacity, batch int
	}{
		{"single/1024", 1024, 0}, {"batch64/1024", 1024, 64},
		{"single/64", 64, 0}, {"single/16384", 16384, 0}, {"single/1M", 1 << 20, 0},
		{"single/growing", 0, 0}, {"batch64/growing", 0, 64},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkHaul(b, c.capacity, c.batch) })
	}
}

func benchmarkHaul(b *testing.B, capacity, batch int) {
	q, err := NewQueue[[64]byte](capacity)
	require.NoError(b, err)
	ready, err := NewEvent()
	require.NoError(b, err)
	begin, err := NewEvent()
	require.NoError(b, err)
	defer func() { giveBack(b, []freer{q, ready, begin}) }()
	n := b.N
	if batch > 0 {
		n = (n + batch - 1) / batch * batch
	}
	p, err := putsHaul.Start(b.Context(), haul{q, n, batch, ready, begin})
	require.NoError(b, err)
	require.NoError(b, ready.Wait(b.Context()))
	b.ResetTimer()
	require.NoError(b, begin.Set())
	into := make([][64]byte, max(batch, 1))
	for got := 0; got < n; {
		if batch == 0 {
			if _, err := q.Get(b.Context()); err != nil {
				b.Fatal(err)
			}
			got++
			continue
		}
		k, err := q.GetBatch(b.Context(), into)
		if err != nil {
			b.Fatal(err)
		}
		got += k
	}
	b.StopTimer()
	require.NoError(b, p.Wait(b.Context()))
}

// Large messages by copy and by loan, within one process: what the queue adds to
// the memory's speed.
func BenchmarkQueueMiB(b *testing.B) {
	const size = 1 << 20
	q, err := NewQueue[[]byte](8)
	require.NoError(b, err)
	defer func() { giveBack(b, []freer{q}) }()
	ctx := b.Context()
	sum := 0
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(size)
		msg := make([]byte, size)
		for b.Loop() {
			_ = q.Put(ctx, msg)
			got, err := q.Get(ctx)
			if err != nil {
				b.Fatal(err)
			}
			sum += int(got[0])
		}
	})
	b.Run("loan", func(b *testing.B) {
		b.SetBytes(size)
		msg := make([]byte, size)
		for b.Loop() {
			l, err := Loan(q, size)
			if err != nil {
				b.Fatal(err)
			}
			copy(l.Slice(), msg)
			_ = l.Publish(ctx)
			got, err := Borrow(ctx, q)
			if err != nil {
				b.Fatal(err)
			}
			sum += int(got.Slice()[0])
			got.Release()
		}
	})
}
