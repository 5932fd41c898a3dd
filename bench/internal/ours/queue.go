package ours

import (
	"context"
	"errors"
	"slices"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

var (
	fixedQueue = newQueueWork("message", fixedMessage, readFixed)
	bytesQueue = newQueueWork("bytes", bytesMessage, readBytes)
)

func measureQueue(job side.Job) (side.Sample, error) {
	if job.Size == len(message{}) {
		return traffic(job, fixedQueue.produce, fixedQueue.consume)
	}
	return traffic(job, bytesQueue.produce, bytesQueue.consume)
}

// A queueWork moves messages of a type from producers to consumers.
type queueWork[T any] struct {
	sample  func(size int) T
	read    func(*T)
	produce *mp.Func[queuePost[T], gauge.Tally]
	consume *mp.Func[queuePost[T], gauge.Tally]
}

// A queuePost is what a producer or consumer is told.
type queuePost[T any] struct {
	Post  post
	Queue *mp.Queue[T]
}

func newQueueWork[T any](name string, sample func(int) T, read func(*T)) *queueWork[T] {
	w := &queueWork[T]{sample: sample, read: read}
	w.produce = mp.Register("producer of "+name, w.producer)
	w.consume = mp.Register("consumer of "+name, w.consumer)
	return w
}

// traffic has processes produce and consume, and counts what arrives.
func traffic[T any](job side.Job, produce, consume *mp.Func[queuePost[T], gauge.Tally]) (side.Sample, error) {
	queue, err := mp.NewQueue[T](job.Capacity)
	if err != nil {
		return side.Sample{}, err
	}
	start, err := newStart(job.Producers + job.Consumers)
	if err != nil {
		return side.Sample{}, err
	}
	var producers, consumers crew
	for i := range job.Producers {
		producers.add(process(produce, queuePost[T]{post{job, i, start}, queue}))
	}
	for i := range job.Consumers {
		consumers.add(process(consume, queuePost[T]{post{job, job.Producers + i, start}, queue}))
	}
	if err := start.give(context.Background(), job.Budget); err != nil {
		return side.Sample{}, err
	}
	if _, err := producers.sum(); err != nil {
		return side.Sample{}, err
	}
	if err := queue.Close(); err != nil {
		return side.Sample{}, err
	}
	got, err := consumers.sum()
	if err != nil {
		return side.Sample{}, err
	}
	return got.Throughput(), nil
}

// producer puts messages as long as there is to be measured. What it counts nobody
// asks for: a message counts where it arrives.
func (w *queueWork[T]) producer(ctx context.Context, p queuePost[T]) (gauge.Tally, error) {
	m, err := p.Post.meter(ctx)
	if err != nil {
		return gauge.Tally{}, err
	}
	message := w.sample(p.Post.Job.Size)
	if n := p.Post.Job.Batch; n > 0 {
		return gauge.Tally{}, putBatches(ctx, p.Queue, slices.Repeat([]T{message}, n), m)
	}
	for m.Tick(1) {
		if err := p.Queue.Put(ctx, message); err != nil {
			return gauge.Tally{}, err
		}
	}
	return gauge.Tally{}, nil
}

func putBatches[T any](ctx context.Context, queue *mp.Queue[T], messages []T, m *gauge.Meter) error {
	for m.Tick(len(messages)) {
		if _, err := queue.PutBatch(ctx, messages); err != nil {
			return err
		}
	}
	return nil
}

// consumer gets messages until the queue is closed.
func (w *queueWork[T]) consumer(ctx context.Context, p queuePost[T]) (gauge.Tally, error) {
	m, err := p.Post.meter(ctx)
	if err != nil {
		return gauge.Tally{}, err
	}
	if n := p.Post.Job.Batch; n > 0 {
		return w.getBatches(ctx, p.Queue, make([]T, n), m)
	}
	for message := new(T); ; m.Tick(1) {
		if *message, err = p.Queue.Get(ctx); err != nil {
			return ended(m, err)
		}
		w.read(message)
	}
}

func (w *queueWork[T]) getBatches(ctx context.Context, queue *mp.Queue[T], into []T, m *gauge.Meter) (gauge.Tally, error) {
	for {
		n, err := queue.GetBatch(ctx, into)
		if err != nil {
			return ended(m, err)
		}
		for i := range into[:n] {
			w.read(&into[i])
		}
		m.Tick(n)
	}
}

// ended is what a consumer counted, if the queue was closed and is empty.
func ended(m *gauge.Meter, err error) (gauge.Tally, error) {
	if errors.Is(err, mp.ErrClosed) {
		return m.Tally(), nil
	}
	return gauge.Tally{}, err
}
