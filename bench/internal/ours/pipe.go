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
	fixedPipe = newPipeWork("message", fixedMessage, sendFixed, receiveFixed)
	bytesPipe = newPipeWork("bytes", bytesMessage, sendBytes, receiveBytes)
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
	sample  func(size int) T
	send    func(context.Context, *mp.Conn[T], T) error            // again and again, until it fails
	receive func(context.Context, *mp.Conn[T], *gauge.Meter) error // as long as there is to be measured; looks at all of each
	ping    *mp.Func[pipePost[T], side.Sample]
	echo    *mp.Func[pipePost[T], gauge.Tally]
	write   *mp.Func[pipePost[T], gauge.Tally]
	count   *mp.Func[pipePost[T], gauge.Tally]
}

// A pipePost is what the process at one end is told.
type pipePost[T any] struct {
	Post post
	End  *mp.Conn[T]
}

func newPipeWork[T any](name string, sample func(int) T, send func(context.Context, *mp.Conn[T], T) error,
	receive func(context.Context, *mp.Conn[T], *gauge.Meter) error,
) *pipeWork[T] {
	w := &pipeWork[T]{sample: sample, send: send, receive: receive}
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
	_ = w.send(ctx, p.End, w.sample(p.Post.Job.Size)) // the reader has closed, or is gone
	return gauge.Tally{}, nil
}

// counter reads as long as there is to be measured.
func (w *pipeWork[T]) counter(ctx context.Context, p pipePost[T]) (gauge.Tally, error) {
	m, err := p.Post.meter(ctx)
	if err != nil {
		return gauge.Tally{}, err
	}
	defer p.End.Close()
	if err := w.receive(ctx, p.End, m); err != nil {
		return gauge.Tally{}, err
	}
	return m.Tally(), nil
}

// These loops are there once for each type, as a program would have them, and as the C program
// has its own: what is called through a variable for each message took 5 to 9 ns of 20.

func sendFixed(ctx context.Context, end *mp.Conn[message], m message) error {
	for {
		if err := end.Send(ctx, m); err != nil {
			return err
		}
	}
}

func receiveFixed(ctx context.Context, end *mp.Conn[message], m *gauge.Meter) error {
	var into message
	var sum uint64
	for m.Tick(1) {
		if err := end.RecvInto(ctx, &into); err != nil {
			return err
		}
		sum += gauge.ReadLine((*[64]byte)(&into))
	}
	sink.Store(sum)
	return nil
}

func sendBytes(ctx context.Context, end *mp.Conn[[]byte], m []byte) error {
	for {
		if err := end.Send(ctx, m); err != nil {
			return err
		}
	}
}

func receiveBytes(ctx context.Context, end *mp.Conn[[]byte], m *gauge.Meter) error {
	var into []byte
	var sum uint64
	for m.Tick(1) {
		if err := end.RecvInto(ctx, &into); err != nil {
			return err
		}
		sum += gauge.Read(into)
	}
	sink.Store(sum)
	return nil
}
