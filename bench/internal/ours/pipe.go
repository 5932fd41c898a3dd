package ours

import (
	"context"
	"errors"
	"io"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

var (
	fixedPipe = newPipeWork("message", fixedMessage, readFixed)
	bytesPipe = newPipeWork("bytes", bytesMessage, readBytes)
)

func roundTrip(job side.Job) (side.Sample, error) {
	if job.Size == len(message{}) {
		return fixedPipe.roundTrip(job)
	}
	return bytesPipe.roundTrip(job)
}

func oneWay(job side.Job) (side.Sample, error) {
	switch {
	case job.Loan:
		return loans(job)
	case job.Size == len(message{}):
		return fixedPipe.oneWay(job)
	}
	return bytesPipe.oneWay(job)
}

// A pipeWork moves messages of a type through a pipe.
type pipeWork[T any] struct {
	sample func(size int) T
	read   func([]T) uint64 // looks at all of some messages
	ping   *mp.Func[pipePost[T], side.Sample]
	echo   *mp.Func[pipePost[T], gauge.Tally]
	write  *mp.Func[pipePost[T], gauge.Tally]
	count  *mp.Func[pipePost[T], gauge.Tally]
}

// A pipePost is what the process at one end is told.
type pipePost[T any] struct {
	Post post
	End  *mp.Conn[T]
}

func newPipeWork[T any](name string, sample func(int) T, read func([]T) uint64) *pipeWork[T] {
	w := &pipeWork[T]{sample: sample, read: read}
	w.ping = mp.Register("ping "+name, w.pinger)
	w.echo = mp.Register("echo "+name, w.echoer)
	w.write = mp.Register("write "+name, w.writer)
	w.count = mp.Register("count "+name, w.counter)
	return w
}

// open makes a pipe with a process at each end.
func (w *pipeWork[T]) open(job side.Job, options ...mp.PipeOption) (near, far pipePost[T], err error) {
	start, err := newStart(2)
	if err != nil {
		return near, far, err
	}
	a, b, err := mp.NewPipe[T](options...)
	return pipePost[T]{post{job, 0, start}, a}, pipePost[T]{post{job, 1, start}, b}, err
}

func (w *pipeWork[T]) roundTrip(job side.Job) (side.Sample, error) {
	ctx := context.Background()
	near, far, err := w.open(job)
	if err != nil {
		return side.Sample{}, err
	}
	if _, err := w.echo.Start(ctx, far); err != nil {
		return side.Sample{}, err
	}
	go func() { _ = near.Post.Start.give(ctx, job.Budget) }()
	return w.ping.Run(ctx, near)
}

// pinger sends a message and receives it again.
func (w *pipeWork[T]) pinger(ctx context.Context, p pipePost[T]) (side.Sample, error) {
	if _, err := p.Post.take(ctx); err != nil {
		return side.Sample{}, err
	}
	defer p.End.Close()
	message := w.sample(p.Post.Job.Size)
	call := (&blocking[T]{ctx, p.End, message}).exchange
	if p.Post.Job.Awake {
		call = (&awake[T]{p.End, message}).exchange
	}
	return gauge.Latency(gauge.Func(call), p.Post.Job.Budget)
}

// echoer sends back what it receives.
func (w *pipeWork[T]) echoer(ctx context.Context, p pipePost[T]) (gauge.Tally, error) {
	if _, err := p.Post.take(ctx); err != nil {
		return gauge.Tally{}, err
	}
	message := w.sample(p.Post.Job.Size)
	answer := (&blocking[T]{ctx, p.End, message}).answer
	if p.Post.Job.Awake {
		answer = (&awake[T]{p.End, message}).answer
	}
	for {
		if err := answer(); errors.Is(err, io.EOF) {
			return gauge.Tally{}, nil
		} else if err != nil {
			return gauge.Tally{}, err
		}
	}
}

// blocking is an end that is used by calls that wait, and the message that goes there and
// back.
type blocking[T any] struct {
	ctx     context.Context
	end     *mp.Conn[T]
	message T
}

func (b *blocking[T]) exchange() error {
	if err := b.end.Send(b.ctx, b.message); err != nil {
		return err
	}
	return b.end.RecvInto(b.ctx, &b.message)
}

func (b *blocking[T]) answer() error {
	if err := b.end.RecvInto(b.ctx, &b.message); err != nil {
		return err
	}
	return b.end.Send(b.ctx, b.message)
}

// awake is an end that is used by calls that do not wait, again and again.
type awake[T any] struct {
	end     *mp.Conn[T]
	message T
}

func (a *awake[T]) exchange() error {
	if err := a.send(); err != nil {
		return err
	}
	return a.receive()
}

func (a *awake[T]) answer() error {
	if err := a.receive(); err != nil {
		return err
	}
	return a.send()
}

func (a *awake[T]) send() error {
	for {
		if err := a.end.TrySend(a.message); err != mp.ErrFull {
			return err
		}
	}
}

func (a *awake[T]) receive() error {
	for {
		if err := a.end.TryRecvInto(&a.message); err != mp.ErrEmpty {
			return err
		}
	}
}

func (w *pipeWork[T]) oneWay(job side.Job) (side.Sample, error) {
	ctx := context.Background()
	capacity := job.Capacity * job.Size
	if job.Size != len(message{}) {
		capacity += job.Capacity * recordHeader
	}
	reader, writer, err := w.open(job, mp.OneWay(), mp.WithPipeCapacity(max(capacity, leastCapacity)))
	if err != nil {
		return side.Sample{}, err
	}
	if _, err := w.write.Start(ctx, writer); err != nil {
		return side.Sample{}, err
	}
	go func() { _ = reader.Post.Start.give(ctx, job.Budget) }()
	tally, err := w.count.Run(ctx, reader)
	if err != nil {
		return side.Sample{}, err
	}
	return tally.Throughput(), nil
}

const (
	recordHeader  = 16 // bytes that a message without a fixed size takes beside its own
	leastCapacity = 1 << 16
)

// writer writes until nobody reads any more.
func (w *pipeWork[T]) writer(ctx context.Context, p pipePost[T]) (gauge.Tally, error) {
	if _, err := p.Post.take(ctx); err != nil {
		return gauge.Tally{}, err
	}
	for message := w.sample(p.Post.Job.Size); ; {
		if err := p.End.Send(ctx, message); err != nil {
			return gauge.Tally{}, nil // the reader has closed, or is gone
		}
	}
}

// counter reads as long as there is to be measured.
func (w *pipeWork[T]) counter(ctx context.Context, p pipePost[T]) (gauge.Tally, error) {
	m, err := p.Post.meter(ctx)
	if err != nil {
		return gauge.Tally{}, err
	}
	defer p.End.Close()
	var sum uint64
	for into := make([]T, 1); m.Tick(1); sum += w.read(into) {
		if err := p.End.RecvInto(ctx, &into[0]); err != nil {
			return gauge.Tally{}, err
		}
	}
	sink.Store(sum)
	return m.Tally(), nil
}
