package ours

import (
	"context"
	"errors"
	"runtime"
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
		return traffic(job, fixedQueue.roles)
	}
	return traffic(job, bytesQueue.roles)
}

// A queueWork moves messages of a type from producers to consumers.
type queueWork[T any] struct {
	roles[T]
	sample func(size int) T
	read   func([]T) uint64 // looks at all of some messages
}

// Roles are what the processes do that have a queue.
type roles[T any] struct {
	produce, consume, standBy *mp.Func[queuePost[T], gauge.Tally]
}

// A queuePost is what a process is told that has a queue.
type queuePost[T any] struct {
	Post  post
	Queue *mp.Queue[T]
}

func newQueueWork[T any](name string, sample func(int) T, read func([]T) uint64) *queueWork[T] {
	w := &queueWork[T]{sample: sample, read: read}
	w.produce = mp.Register("producer of "+name, w.producer)
	w.consume = mp.Register("consumer of "+name, w.consumer)
	w.standBy = mp.Register("bystander of "+name, w.bystander)
	return w
}

// traffic has processes produce and consume while others stand by, and counts what
// arrives.
func traffic[T any](job side.Job, r roles[T]) (side.Sample, error) {
	queue, err := mp.NewQueue[T](job.Capacity)
	if err != nil {
		return side.Sample{}, err
	}
	dismiss, err := r.gather(job, queue)
	if err != nil {
		return side.Sample{}, err
	}
	got, err := r.move(job, queue)
	if err := errors.Join(err, dismiss()); err != nil {
		return side.Sample{}, err
	}
	return got.Throughput(), nil
}

// gather has the bystanders get hold of the queue. They wait for a start that is
// given by dismiss, when everything else is over.
func (r roles[T]) gather(job side.Job, queue *mp.Queue[T]) (dismiss func() error, err error) {
	end, err := newStart(job.Bystanders)
	if err != nil {
		return nil, err
	}
	var all crew
	for i := range job.Bystanders {
		all.add(process(r.standBy, queuePost[T]{post{job, job.Producers + job.Consumers + i, end}, queue}))
	}
	dismiss = func() error {
		err := end.Set.Set()
		_, failed := all.sum()
		return errors.Join(err, failed)
	}
	_, err = end.Ready.Wait(context.Background())
	return dismiss, err
}

// move has processes produce and consume, and sums up what the consumers got.
func (r roles[T]) move(job side.Job, queue *mp.Queue[T]) (got gauge.Tally, err error) {
	start, err := newStart(job.Producers + job.Consumers)
	if err != nil {
		return got, err
	}
	var producers, consumers crew
	for i := range job.Producers {
		producers.add(process(r.produce, queuePost[T]{post{job, i, start}, queue}))
	}
	for i := range job.Consumers {
		consumers.add(process(r.consume, queuePost[T]{post{job, job.Producers + i, start}, queue}))
	}
	if err := start.give(context.Background(), job.Budget); err != nil {
		return got, err
	}
	if _, err := producers.sum(); err != nil {
		return got, err
	}
	if err := queue.Close(); err != nil {
		return got, err
	}
	return consumers.sum()
}

// bystander has the queue and leaves it alone, if need be after having used it once.
func (w *queueWork[T]) bystander(ctx context.Context, p queuePost[T]) (gauge.Tally, error) {
	defer runtime.KeepAlive(p.Queue)
	if p.Post.Job.Used {
		if err := w.useOnce(ctx, p); err != nil {
			return gauge.Tally{}, err
		}
	}
	_, err := p.Post.take(ctx)
	return gauge.Tally{}, err
}

// useOnce puts a message and gets one, which may be another bystander's.
func (w *queueWork[T]) useOnce(ctx context.Context, p queuePost[T]) error {
	if err := p.Queue.Put(ctx, w.sample(p.Post.Job.Size)); err != nil {
		return err
	}
	_, err := p.Queue.Get(ctx)
	return err
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
	var sum uint64
	for into := make([]T, 1); ; m.Tick(1) {
		if err = p.Queue.GetInto(ctx, &into[0]); err != nil {
			sink.Store(sum)
			return ended(m, err)
		}
		sum += w.read(into)
	}
}

func (w *queueWork[T]) getBatches(ctx context.Context, queue *mp.Queue[T], into []T, m *gauge.Meter) (gauge.Tally, error) {
	var sum uint64
	for {
		n, err := queue.GetBatch(ctx, into)
		if err != nil {
			sink.Store(sum)
			return ended(m, err)
		}
		sum += w.read(into[:n])
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
