package ours

import (
	"context"
	"errors"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// message is a message of 64 bytes that needs no encoding. Others are slices.
type message [64]byte

var (
	fixedQueue = newQueueWork[message]("message", func(int) message { return message{7} }, func(m message) { gauge.Read(m[:]) })
	bytesQueue = newQueueWork[[]byte]("bytes", func(n int) []byte { return make([]byte, n) }, func(m []byte) { gauge.Read(m) })
)

func measureQueue(job side.Job) (side.Sample, error) {
	if job.Batch > 0 {
		return side.Sample{}, side.Missing("mp.Queue has no batches yet")
	}
	if job.Size == len(message{}) {
		return fixedQueue.measure(job)
	}
	return bytesQueue.measure(job)
}

// A queueWork moves messages of a type from producers to consumers.
type queueWork[T any] struct {
	sample  func(size int) T
	read    func(T)
	produce *mp.Func[queuePost[T], gauge.Tally]
	consume *mp.Func[queuePost[T], gauge.Tally]
}

// A queuePost is what a producer or consumer is told.
type queuePost[T any] struct {
	Post  post
	Queue *mp.Queue[T]
}

func newQueueWork[T any](name string, sample func(int) T, read func(T)) *queueWork[T] {
	w := &queueWork[T]{sample: sample, read: read}
	w.produce = mp.Register("producer of "+name, w.producer)
	w.consume = mp.Register("consumer of "+name, w.consumer)
	return w
}

func (w *queueWork[T]) measure(job side.Job) (side.Sample, error) {
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
		producers.add(process(w.produce, queuePost[T]{post{job, i, start}, queue}))
	}
	for i := range job.Consumers {
		consumers.add(process(w.consume, queuePost[T]{post{job, job.Producers + i, start}, queue}))
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
	return got.Throughput()
}

// producer puts messages as long as there is to be measured. What it counts nobody
// asks for: a message counts where it arrives.
func (w *queueWork[T]) producer(ctx context.Context, p queuePost[T]) (gauge.Tally, error) {
	opens, err := p.Post.take(ctx)
	if err != nil {
		return gauge.Tally{}, err
	}
	message := w.sample(p.Post.Job.Size)
	for m := gauge.NewMeterAt(gauge.Burst(p.Post.Job.Size), p.Post.Job.Budget, opens); m.Tick(1); {
		if err := p.Queue.Put(ctx, message); err != nil {
			return gauge.Tally{}, err
		}
	}
	return gauge.Tally{}, nil
}

// consumer gets messages until the queue is closed.
func (w *queueWork[T]) consumer(ctx context.Context, p queuePost[T]) (gauge.Tally, error) {
	opens, err := p.Post.take(ctx)
	if err != nil {
		return gauge.Tally{}, err
	}
	for m := gauge.NewMeterAt(gauge.Burst(p.Post.Job.Size), p.Post.Job.Budget, opens); ; m.Tick(1) {
		message, err := p.Queue.Get(ctx)
		if errors.Is(err, mp.ErrClosed) {
			return m.Tally(), nil
		}
		if err != nil {
			return gauge.Tally{}, err
		}
		w.read(message)
	}
}
