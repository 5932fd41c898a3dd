package storm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/mpgo/mp"
)

// A Line is a queue and the ledger of its messages.
type Line[T any] struct {
	Queue  *mp.Queue[T]
	Ledger Ledger
}

func newLine[T any](capacity int) (l Line[T], err error) {
	var errs [2]error
	l.Queue, errs[0] = mp.NewQueue[T](capacity)
	l.Ledger, errs[1] = newLedger()
	return l, errors.Join(errs[:]...)
}

// A Message is one of fixed size.
type Message struct{ Number, Check int64 }

func newMessage(number int64) Message { return Message{number, number * 0x9e3779b97f4a7c1} }

func (m Message) number() (int64, error) {
	if m != newMessage(m.Number) {
		return 0, fmt.Errorf("a damaged message: %+v", m)
	}
	return m.Number, nil
}

// batch is the most messages that are put or got at once.
const batch = 4

// enters puts n messages: f is told the number of the first and tells how many it put.
func (h *hand) enters(l Ledger, n int, f func(first int64) (int, error)) error {
	h.page.store(pagePutting, int64(n))
	defer h.page.store(pagePutting, 0)
	spare := reserve
	if h.captain {
		spare = 0
	}
	first, ok := number(l, n, spare)
	if !ok {
		return errPassed
	}
	done, err := f(first)
	for i := range n {
		what := put
		if i >= done {
			what = refused
		}
		mark(l, first+int64(i), what)
	}
	return err
}

// puts puts a message in one way or the other.
func puts[T any](h *hand, q *mp.Queue[T], v T) (done int, err error) {
	if h.captain || h.chance(4) {
		err = q.TryPut(v)
	} else {
		err = h.waits(func(ctx context.Context) error { return q.Put(ctx, v) })
	}
	if errors.Is(err, errHang) {
		err = fmt.Errorf("%w; it is %v, and another try: %v", err, q, q.TryPut(v))
	}
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// put puts plain messages, one or some.
func (h *hand) put(l Line[Message]) error {
	if h.captain || h.chance(2) {
		return h.enters(l.Ledger, 1, func(number int64) (int, error) { return puts(h, l.Queue, newMessage(number)) })
	}
	list := make([]Message, 1+h.rng.IntN(batch))
	return h.enters(l.Ledger, len(list), func(first int64) (done int, err error) {
		for i := range list {
			list[i] = newMessage(first + int64(i))
		}
		err = h.waits(func(ctx context.Context) (err error) {
			done, err = l.Queue.PutBatch(ctx, list)
			return err
		})
		return done, err
	})
}

// gets takes a message in one way or the other.
func gets[T any](h *hand, q fmt.Stringer, wait func(context.Context) (T, error), try func() (T, error)) (v T, err error) {
	if h.captain || h.chance(4) {
		return try()
	}
	err = h.waits(func(ctx context.Context) (err error) {
		v, err = wait(ctx)
		return err
	})
	if errors.Is(err, errHang) {
		_, again := try()
		err = fmt.Errorf("%w; it is %v, and another try: %v", err, q, again)
	}
	return v, err
}

// have writes down that messages were got.
func (h *hand) have(l Ledger, messages ...Message) error {
	for _, m := range messages {
		n, err := m.number()
		if err != nil {
			return err
		}
		if !mark(l, n, got) {
			return fmt.Errorf("there is no message %d", n)
		}
	}
	return nil
}

// get takes plain messages, one or some.
func (h *hand) get(l Line[Message]) error {
	defer h.open(0)
	if h.chance(2) {
		h.open(1)
		m, err := gets(h, l.Queue, l.Queue.Get, l.Queue.TryGet)
		if err != nil {
			return err
		}
		return h.have(l.Ledger, m)
	}
	list := make([]Message, 1+h.rng.IntN(batch))
	h.open(len(list))
	n, err := gets(h, l.Queue,
		func(ctx context.Context) (int, error) { return l.Queue.GetBatch(ctx, list) },
		func() (int, error) { return l.Queue.TryGetBatch(list) })
	return worst(h.have(l.Ledger, list[:n]...), err)
}

// lease takes a message on lease, and acknowledges it or returns it.
func (h *hand) lease(l Line[Message]) error {
	began := time.Now()
	d, err := gets(h, l.Queue, l.Queue.Receive, l.Queue.TryReceive)
	if err != nil {
		return err
	}
	n, err := d.Value.number()
	if err != nil {
		return err
	}
	if err := h.holdLease(int(n), d.Attempt, began); err != nil {
		return err
	}
	if h.chance(4) {
		runtime.Gosched()
	}
	if h.chance(8) {
		store(h.world.Leases, int(n), 0)
		return d.Nack(time.Duration(h.rng.Int64N(int64(brief))))
	}
	h.open(1) // killed from here on, it is had twice
	defer h.open(0)
	err = h.have(l.Ledger, d.Value)
	store(h.world.Leases, int(n), 0)
	return worst(err, d.Ack())
}

// holdLease writes down that this life has the message, and checks that nobody who
// lives has it too.
func (h *hand) holdLease(n, attempt int, began time.Time) error {
	now := time.Now()
	if n < 1 || n > entries {
		return fmt.Errorf("there is no message %d", n)
	}
	if holder := load(h.world.Leases, n); holder != 0 {
		if _, dead := h.logs.killed(holder); !dead {
			return fmt.Errorf("life %d has message %d, delivered %d times, which life %d has on lease and is alive", h.life, n, attempt, holder)
		}
		h.logs.recovered(clockLease, holder, began, now)
	}
	store(h.world.Leases, n, h.life)
	return nil
}

// prefers reports whether to put rather than to take: mostly what need not wait, for
// whoever waits does nothing else meanwhile.
func (h *hand) prefers(empty, full bool) (put bool) {
	if (empty || full) && !h.chance(64) {
		return empty
	}
	return h.chance(2)
}

// flow is an act that puts messages into a line, or takes some.
func flow[T any](name string, weight int, line func(*World) Line[T], in, out func(*hand, Line[T]) error, audit func(account, tally) error) act {
	return act{
		name: name, weight: weight,
		do: func(h *hand) error {
			l := line(h.world)
			return h.several(burst/2, func() error {
				if h.prefers(l.Queue.Empty(), l.Queue.Full()) {
					return in(h, l)
				}
				return out(h, l)
			})
		},
		help: func(h *hand, _ news) error {
			switch l := line(h.world); {
			case l.Queue.Empty():
				return in(h, l)
			case l.Queue.Full():
				return out(h, l)
			}
			return nil
		},
		audit: func(h *hand, t tally) error {
			l := line(h.world)
			if err := drain(h, l, out); err != nil {
				return err
			}
			return audit(sumUp(l.Ledger), t)
		},
	}
}

// drain takes all messages that are left; closing a queue tells when that is.
func drain[T any](h *hand, l Line[T], out func(*hand, Line[T]) error) error {
	if err := l.Queue.Close(); err != nil {
		return err
	}
	for {
		err := out(h, l)
		switch {
		case errors.Is(err, mp.ErrEmpty): // somebody's lease is not over
			runtime.Gosched()
		case errors.Is(err, mp.ErrClosed):
			return h.waits(l.Queue.Join)
		case err != nil && !passed(err):
			return fmt.Errorf("in taking what is left: %w", err)
		}
	}
}

// gone allows for what dead consumers took with them.
func gone(a account, t tally) error { return a.check(t.open, 0, t.putting) }

// again allows for what dead consumers had not yet acknowledged; nothing may be lost.
func again(a account, t tally) error { return a.check(0, t.open, t.putting) }

var messageActs = []act{
	flow("Queue", 10, func(w *World) Line[Message] { return w.Bounded8 }, (*hand).put, (*hand).get, gone),
	flow("Queue that grows", 6, func(w *World) Line[Message] { return w.Growing }, (*hand).put, (*hand).get, gone),
	flow("Queue, leases", 10, func(w *World) Line[Message] { return w.Leased }, (*hand).put, (*hand).lease, again),
	flow("Queue, large messages", 3, func(w *World) Line[[]byte] { return w.Large }, (*hand).putLarge, (*hand).getLarge, gone),
	flow("Queue, handles", 4, func(w *World) Line[Parcel] { return w.Parcels }, (*hand).putParcel, (*hand).getParcel, gone),
}
