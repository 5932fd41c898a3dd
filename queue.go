package mp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"reflect"
	"runtime"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Queue is a queue of messages of type T between any number of processes, and of
// goroutines in each. It may be sent to other processes, in arguments, results and
// messages, and is the same queue there. It must not be copied.
//
// A Put that returned nil is committed: no death but its consumer's can lose the
// message, and no two live consumers have it. A process that is killed inside Put
// or Get holds nobody up. Who takes messages has the choice:
//
//   - Get consumes. A consumer that dies before Get returned may have had the
//     message or not; then another gets it.
//   - Receive lends. The message is delivered again if its receiver dies before it
//     has acknowledged it, or returns it. See Delivery.
//   - Borrow is Get without the copy, for large slices.
//
// Messages are copied: a plain T, or a slice of such, as raw memory, everything
// else as CBOR. A message that does not fit its cell, or that contains handles,
// travels in a block of its own, which keeps what it speaks of alive. A queue that
// lies in its own messages is not kept by them; but two that lie in each other's
// messages keep each other until somebody takes one out, or the whole tree of
// processes has ended.
//
// Python: Queue, SimpleQueue, and with Receive and Join JoinableQueue. Those lose
// what their feeder thread had not sent, and hang if a process is killed at the
// wrong moment.
type Queue[T any] struct {
	handle[*queueView[T], queues[T]]
}

// queues describes the blocks of Queues.
type queues[T any] struct{}

func (queues[T]) what() string   { return "Queue" }
func (queues[T]) kind() shm.Kind { return kindQueue }
func (queues[T]) typ() uint32    { return shm.TypeHash(reflect.TypeFor[[]T]()) }

func (queues[T]) open(o *shm.Object) (*queueView[T], error) {
	codec, err := wire.For[T]("message")
	if err != nil {
		return nil, err
	}
	return openQueue(o, codec)
}

// DefaultInline is the largest encoded message, in bytes, that lies in the queue
// itself if T has no fixed size. Larger ones take a block each.
const DefaultInline = 496

// A QueueOption changes how a queue works.
type QueueOption func(*queueOptions)

type queueOptions struct {
	inline      int
	leases      int
	leasing     bool
	limit       int
	limited     bool
	attempts    int
	dying       bool
	deadLetters any // a *Queue[T]
}

// WithInline sets how many bytes of an encoded message lie in the queue itself.
func WithInline(n int) QueueOption {
	return func(o *queueOptions) { o.inline = n }
}

// WithMaxMessage lets Put refuse messages of more than n encoded bytes, with
// ErrTooLarge.
func WithMaxMessage(n int) QueueOption {
	return func(o *queueOptions) { o.limit, o.limited = n, true }
}

// WithMaxLeases sets how many messages may be received and not yet acknowledged at
// a time; Receive waits beyond that. The default is the capacity, but between 64
// and 4096. It costs the size of a cell and 32 bytes for each.
func WithMaxLeases(n int) QueueOption {
	return func(o *queueOptions) { o.leases, o.leasing = n, true }
}

// WithMaxAttempts bounds how often a message is delivered, to those who die with it
// or return it. One that was delivered n times goes to deadLetters, another queue of
// the same type, from where it can be got: with its last Nack, or, if its last holder
// died, when a receiver comes upon it. As long as deadLetters is full or closed it
// stays in this one, and a receiver that comes upon it tries again. If the process
// that moves it is killed while doing so, it may come to deadLetters twice.
func WithMaxAttempts[T any](n int, deadLetters *Queue[T]) QueueOption {
	return func(o *queueOptions) { o.attempts, o.dying, o.deadLetters = n, true, deadLetters }
}

// NewQueue makes a queue for capacity messages; 0 stands for a queue that grows as
// long as there is memory: then Put never waits, and fails if there is none. T may
// be any type that can be encoded without loss; ErrUnencodable, with the path to
// the part, otherwise.
//
// Python: Queue(maxsize).
func NewQueue[T any](capacity int, opts ...QueueOption) (*Queue[T], error) {
	codec, err := wire.For[T]("message")
	if err != nil {
		return nil, fmt.Errorf("mp: NewQueue: %w", err)
	}
	o := queueOptions{inline: queueInline(codec.Fixed()), leases: defaultLeases(capacity)}
	for _, set := range opts {
		set(&o)
	}
	if o.limited && codec.Fixed() > o.limit {
		return nil, fmt.Errorf("mp: NewQueue: messages of %d bytes, and none may have more than %d: %w", codec.Fixed(), o.limit, ErrTooLarge)
	}
	refs, err := o.check(capacity, deadLetterObject[T])
	if err != nil {
		return nil, fmt.Errorf("mp: NewQueue: %w", err)
	}
	q := new(Queue[T])
	if err := q.make(capacity, o); err != nil {
		return nil, err
	}
	runtime.KeepAlive(o.deadLetters)
	if err := q.view.setUp(o, refs); err != nil {
		_ = q.Free()
		return nil, fmt.Errorf("mp: NewQueue: %w", err)
	}
	return q, nil
}

// deadLetterObject is the shared object of the *Queue[T] for the dead letters.
func deadLetterObject[T any](o *queueOptions) (*shm.Object, error) {
	q, ok := o.deadLetters.(*Queue[T])
	switch {
	case !ok:
		return nil, fmt.Errorf("dead letters go to a queue of the same type: *mp.Queue[%v], not %T", reflect.TypeFor[T](), o.deadLetters)
	case q == nil:
		return nil, errors.New("a limit of attempts needs a queue for the dead letters")
	case !q.usable():
		return nil, q.unusable()
	case q.view.codec.Fixed() >= 0:
		return q.obj, nil // its maker knew that they fit
	}
	return q.obj, o.fits(q.view.limit())
}

// fits refuses dead letters to a queue for shorter messages, which could never go there.
func (o *queueOptions) fits(deadLetters int) error {
	switch {
	case o.limited && o.limit <= deadLetters, deadLetters == math.MaxInt:
		return nil
	case o.limited:
		return fmt.Errorf("messages of up to %d bytes, and the queue of dead letters is for %d: %w", o.limit, deadLetters, ErrTooLarge)
	default:
		return fmt.Errorf("the queue of dead letters is for messages of %d bytes; here, too, needs WithMaxMessage(%d): %w", deadLetters, deadLetters, ErrTooLarge)
	}
}

// check refuses what cannot be. It returns what the queue has to keep alive.
func (o *queueOptions) check(capacity int, deadLetters func(o *queueOptions) (*shm.Object, error)) ([]shm.Ref, error) {
	switch {
	case capacity < 0:
		return nil, fmt.Errorf("a capacity of %d; it must be at least 1, or 0 for a queue that grows", capacity)
	case o.inline < 0:
		return nil, fmt.Errorf("WithInline(%d); it cannot be negative", o.inline)
	case o.limited && o.limit < 0:
		return nil, fmt.Errorf("WithMaxMessage(%d); it cannot be negative", o.limit)
	case o.leasing && o.leases < 1:
		return nil, fmt.Errorf("WithMaxLeases(%d); there must be at least 1", o.leases)
	case !o.dying:
		return nil, nil
	case o.attempts < 1:
		return nil, fmt.Errorf("WithMaxAttempts(%d, …); there must be at least 1", o.attempts)
	}
	dead, err := deadLetters(o)
	if err != nil {
		return nil, err
	}
	return []shm.Ref{dead.Ref()}, nil
}

// firstSegment is how many messages a queue that grows has room for at first.
const firstSegment = 64

// make makes the queue's block and binds q to it.
func (q *Queue[T]) make(capacity int, o queueOptions) error {
	cells, lay := capacity, ipc.InitRing
	if capacity == 0 {
		cells, lay = firstSegment, ipc.InitGrowingRing
	}
	inline := max(o.inline, leastInline)
	n, err := ipc.RingSize(cells, inline)
	if err != nil {
		return fmt.Errorf("mp: NewQueue: %w", err)
	}
	obj, err := create(queues[T]{}, n)
	if err != nil {
		return err
	}
	if err := lay(obj.Bytes(), cells, inline); err != nil {
		obj.Close()
		return fmt.Errorf("mp: NewQueue: %w", err)
	}
	return q.bind(obj)
}

// defaultLeases is for how many leases a queue's table has room.
func defaultLeases(capacity int) int { return min(max(capacity, 64), 4096) }

func queueInline(fixed int) int {
	if fixed >= 0 && fixed <= 64<<10 {
		return fixed
	}
	return DefaultInline
}

// Put puts v at the end, and waits for a free place until ctx ends. If it returns
// nil, the message is committed; otherwise it was not put. The error is ErrClosed
// after Close, ctx's, ErrTooLarge, one of encoding v, or of a lack of shared memory.
//
// A Put that need not wait always looks at a ctx that the one before did not have. With the
// same ctx again and again, and a plain T of up to 256 bytes, it does so once in sixteen
// times on average: a loop that only its ctx ends does end, after some messages more.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	if r := q.ring(); r != nil {
		err := r.PutQuick(ctx, shm.Pointer(&v))
		runtime.KeepAlive(q)
		return err
	}
	return q.put(ctx, v)
}

// TryPut is Put, but returns ErrFull where Put would wait. Python: put_nowait.
func (q *Queue[T]) TryPut(v T) error {
	if r := q.ring(); r != nil {
		err := r.PutQuick(atOnce, shm.Pointer(&v))
		runtime.KeepAlive(q)
		return err
	}
	return q.put(atOnce, v)
}

// put puts whatever there is. With atOnce it does not wait.
func (q *Queue[T]) put(ctx context.Context, v T) error {
	if !q.usable() {
		return q.unusable()
	}
	if q.view.raw {
		hasten(&q.quick.ring, q.view.Ring, &q.freed)
	}
	err := q.view.put(ctx, v)
	runtime.KeepAlive(q)
	return err
}

// Get takes the first message, and waits for one until ctx ends. The error is
// ErrClosed when the queue is closed and empty, ctx's, or one of decoding: then
// the message is consumed. A Get that need not wait looks at ctx as Put does.
func (q *Queue[T]) Get(ctx context.Context) (v T, err error) {
	err = q.GetInto(ctx, &v)
	return v, err
}

// GetInto is Get to *v, for those who get again and again: a large T is copied once less.
// After an error *v is as it was.
func (q *Queue[T]) GetInto(ctx context.Context, v *T) error {
	_ = *v // no message is taken when this panics
	if r := q.ring(); r != nil {
		err := r.GetQuick(ctx, shm.Pointer(v))
		runtime.KeepAlive(q)
		return err
	}
	return q.get(ctx, v)
}

// TryGet is Get, but returns ErrEmpty where Get would wait: also if the first message is
// not committed yet, since its Put is under way in a process that may be stopped, or was
// killed a moment ago. Messages behind it wait for it, even if their Puts have returned.
// Python: get_nowait.
func (q *Queue[T]) TryGet() (v T, err error) {
	if r := q.ring(); r != nil {
		err = r.GetQuick(atOnce, shm.Pointer(&v))
		runtime.KeepAlive(q)
		return v, err
	}
	err = q.get(atOnce, &v)
	return v, err
}

// get gets whatever there is. With atOnce it does not wait.
func (q *Queue[T]) get(ctx context.Context, v *T) error {
	if !q.usable() {
		return q.unusable()
	}
	if q.view.raw {
		hasten(&q.quick.ring, q.view.Ring, &q.freed)
	}
	err := q.view.get(ctx, v, nil)
	runtime.KeepAlive(q)
	return err
}

// All yields messages until the queue is closed and empty, or ctx ends. A message
// that cannot be decoded is yielded as its error.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return until(ctx, q.Get)
}

// until yields what next returns, until it says that the queue is closed, or ctx ends.
func until[V any](ctx context.Context, next func(context.Context) (V, error)) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for {
			v, err := next(ctx)
			if errors.Is(err, ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

func (q *Queue[T]) wrap(what string, err error) error { return wrapQueue(what, err) }

func wrapQueue(what string, err error) error {
	return fmt.Errorf("mp: queue: %s: %w", what, err)
}

// Len is how many messages are in the queue, at some moment. Those that are on
// lease are not counted, those that came back are: they were returned, or who had
// them is dead. Python: qsize.
func (q *Queue[T]) Len() int {
	if !q.usable() {
		return 0
	}
	n := q.view.Len()
	runtime.KeepAlive(q)
	return n
}

// Empty reports whether there was no message at some moment. Python: empty.
func (q *Queue[T]) Empty() bool { return q.Len() == 0 }

// Full reports whether the queue had no free place at some moment. A place is not
// free as long as somebody is about to take its message, even if no other message is
// there. A queue that grows is never full. Python: full.
func (q *Queue[T]) Full() bool {
	if !q.usable() {
		return false
	}
	full := q.view.Full()
	runtime.KeepAlive(q)
	return full
}

// Cap is how many messages the queue can hold, or 0 if it grows.
func (q *Queue[T]) Cap() int {
	if !q.usable() {
		return 0
	}
	n := q.view.Cap()
	runtime.KeepAlive(q)
	return n
}

// Close ends the putting side, for all processes: later Puts return ErrClosed,
// Gets what is left and then ErrClosed. Everybody who waits goes on. Closing
// again is no error.
func (q *Queue[T]) Close() error {
	if !q.usable() {
		return q.unusable()
	}
	err := q.view.Ring.Close()
	runtime.KeepAlive(q)
	return err
}

// String tells the fill and the state.
func (q *Queue[T]) String() string {
	if !q.usable() {
		return "Queue (freed)"
	}
	s := q.view.String()
	runtime.KeepAlive(q)
	return s
}

// Free gives this handle back; it cannot be used any more. The queue goes on for
// those who have handles. Messages that nobody can get any more are dropped. Who waits
// by this handle, in another goroutine, gets ErrClosed.
func (q *Queue[T]) Free() error { return q.free() }

// ring is where Put and Get of messages that are plain memory go without any other look, or
// nil.
func (q *Queue[T]) ring() *ipc.Ring {
	if s := q.share; s != nil {
		return s.quick.ring.Load()
	}
	return nil
}
