package mp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"sync"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Queue is a bounded queue of messages of type T between any number of
// processes, and of goroutines in each. It may be sent to other processes, in
// arguments, results and messages, and is the same queue there. It must not be
// copied.
//
// A Put that returned nil is committed: no death but its consumer's can lose the
// message, and no two consumers get it. A process that is killed inside Put or
// Get holds nobody up. A consumer that dies before Get returned may have had the
// message or not; then another gets it.
//
// Messages are copied: a plain T, or a slice of such, as raw memory, everything
// else as CBOR. A message that does not fit its cell, or that contains handles,
// travels in a block of its own, which keeps what it speaks of alive.
//
// Python: Queue, which is bounded in the same way, but loses what its feeder
// thread had not sent, and hangs if a process is killed at the wrong moment.
type Queue[T any] struct {
	handle[*queueView[T], queues[T]]
}

// queues describes the blocks of Queues.
type queues[T any] struct{}

func (queues[T]) what() string   { return "Queue" }
func (queues[T]) kind() shm.Kind { return kindQueue }
func (queues[T]) typ() uint32    { return shm.TypeHash(reflect.TypeFor[chan T]()) }

func (queues[T]) open(o *shm.Object) (*queueView[T], error) {
	codec, err := wire.For[T]("message")
	if err != nil {
		return nil, err
	}
	ring, err := ipc.OpenRing(o.Arena(), o.Bytes())
	return &queueView[T]{ring, codec}, err
}

// queueView is what all handles of a process share.
type queueView[T any] struct {
	*ipc.Ring
	codec *wire.Codec[T]
}

// Close closes this process's view.
func (v *queueView[T]) Close() error {
	v.Detach()
	return nil
}

// DefaultInline is the largest encoded message, in bytes, that lies in the queue
// itself if T has no fixed size. Larger ones take a block each.
const DefaultInline = 496

// A QueueOption changes how a queue works.
type QueueOption func(*queueOptions)

type queueOptions struct{ inline int }

// WithInline sets how many bytes of an encoded message lie in the queue itself.
func WithInline(n int) QueueOption {
	return func(o *queueOptions) { o.inline = n }
}

// NewQueue makes a queue for capacity messages, 1 or more. T may be any type that
// can be encoded without loss; ErrUnencodable, with the path to the part,
// otherwise.
func NewQueue[T any](capacity int, opts ...QueueOption) (*Queue[T], error) {
	codec, err := wire.For[T]("message")
	if err != nil {
		return nil, fmt.Errorf("mp: NewQueue: %w", err)
	}
	if capacity < 1 {
		return nil, fmt.Errorf("mp: NewQueue: a capacity of %d; it must be at least 1", capacity)
	}
	o := queueOptions{inline: queueInline(codec.Fixed())}
	for _, set := range opts {
		set(&o)
	}
	n, err := ipc.RingSize(capacity, max(o.inline, leastInline))
	if err != nil {
		return nil, fmt.Errorf("mp: NewQueue: %w", err)
	}
	obj, err := create(queues[T]{}, n)
	if err != nil {
		return nil, err
	}
	if err := ipc.InitRing(obj.Bytes(), capacity, max(o.inline, leastInline)); err != nil {
		obj.Close()
		return nil, fmt.Errorf("mp: NewQueue: %w", err)
	}
	q := new(Queue[T])
	return q, q.bind(obj)
}

// In a cell, a message of fixed size lies as it is. Another one has a byte before
// it that says where it is.
const (
	messageHere   = 1
	messageParcel = 2

	leastInline = 1 + shm.RefSize
)

func queueInline(fixed int) int {
	if fixed >= 0 && fixed <= 64<<10 {
		return fixed
	}
	return DefaultInline
}

// Put puts v at the end, and waits for a free place until ctx ends. If it returns
// nil, the message is committed; otherwise it was not put. The error is ErrClosed
// after Close, ctx's, one of encoding v, or of a lack of shared memory.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	return q.put(v, func() (ipc.Claimed, error) { return q.view.Claim(ctx) })
}

// TryPut is Put, but returns ErrFull where Put would wait. Python: put_nowait.
func (q *Queue[T]) TryPut(v T) error {
	return q.put(v, func() (ipc.Claimed, error) { return q.view.TryClaim() })
}

func (q *Queue[T]) put(v T, claim func() (ipc.Claimed, error)) error {
	if !q.usable() {
		return q.unusable()
	}
	defer runtime.KeepAlive(q)
	if q.inCell() {
		cell, err := claim()
		if err != nil {
			return q.wrap("put", err)
		}
		b, err := q.view.codec.Append(cell.Bytes()[:0], v)
		if err != nil {
			cell.Abort()
			return q.wrap("put", err)
		}
		cell.Commit(len(b))
		return nil
	}
	return q.putEncoded(v, claim)
}

// inCell reports whether every message lies in its cell as it is.
func (q *Queue[T]) inCell() bool {
	n := q.view.codec.Fixed()
	return n >= 0 && n <= q.view.Inline()
}

// buffers are for messages whose size is known only when they are encoded.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func (q *Queue[T]) putEncoded(v T, claim func() (ipc.Claimed, error)) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	b, err := q.view.codec.Append(append((*buf)[:0], messageHere), v)
	if err != nil {
		return q.wrap("put", err)
	}
	*buf = b
	if len(b) > q.view.Inline() || q.view.codec.HasHandles() {
		err = q.putParcel(b[1:], v, claim)
	} else {
		var cell ipc.Claimed
		if cell, err = claim(); err == nil {
			cell.Commit(copy(cell.Bytes(), b))
		}
	}
	if err != nil {
		return q.wrap("put", err)
	}
	return nil
}

// putParcel puts a message that lies in a block of its own. Once that belongs to
// the cell, the queue keeps it, and not this process: from claim to commit, while
// the message waits, and until its consumer has let go of the cell.
func (q *Queue[T]) putParcel(b []byte, v T, claim func() (ipc.Claimed, error)) error {
	var handles []wire.Handle
	if q.view.codec.HasHandles() {
		handles = q.view.codec.Handles(v)
	}
	parcel, err := pack(q.obj.Arena(), b, handles)
	runtime.KeepAlive(v)
	if err != nil {
		return err
	}
	cell, err := claim()
	if err != nil {
		parcel.Close()
		return err
	}
	parcel.Enclose(q.obj, cell.Stamp())
	content, _ := parcel.Ref().AppendBinary(append(cell.Bytes()[:0], messageParcel))
	parcel.Close() // before anybody gets it: who then lets go of it is the last
	cell.Commit(len(content))
	return nil
}

// Get takes the first message, and waits for one until ctx ends. The error is
// ErrClosed when the queue is closed and empty, ctx's, or one of decoding: then
// the message is consumed.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	return q.get(func() (ipc.Taken, error) { return q.view.Take(ctx) })
}

// TryGet is Get, but returns ErrEmpty where Get would wait. Python: get_nowait.
func (q *Queue[T]) TryGet() (T, error) {
	return q.get(func() (ipc.Taken, error) { return q.view.TryTake() })
}

func (q *Queue[T]) get(take func() (ipc.Taken, error)) (v T, err error) {
	if !q.usable() {
		return v, q.unusable()
	}
	defer runtime.KeepAlive(q)
	cell, err := take()
	if err != nil {
		return v, q.wrap("get", err)
	}
	b, err := cell.Bytes()
	if err == nil && !q.inCell() {
		return q.getEncoded(cell, b)
	}
	if err == nil {
		v, err = q.view.codec.Decode(b)
	}
	cell.Release()
	if err != nil {
		err = q.wrap("get", err)
	}
	return v, err
}

func (q *Queue[T]) getEncoded(cell ipc.Taken, b []byte) (v T, err error) {
	switch {
	case len(b) > 0 && b[0] == messageHere:
		v, err = q.view.codec.Decode(b[1:])
		cell.Release()
	case len(b) == leastInline && b[0] == messageParcel:
		v, err = q.getParcel(cell, b[1:])
	default:
		cell.Release()
		err = fmt.Errorf("a message that makes no sense: %w", shm.ErrDamaged)
	}
	if err != nil {
		err = q.wrap("get", err)
	}
	return v, err
}

// getParcel decodes a message that lies in a block of its own. The block is let
// go of after the cell: before, it belongs to the cell, so that another consumer
// finds it there if this one dies.
func (q *Queue[T]) getParcel(cell ipc.Taken, ref []byte) (v T, err error) {
	parcel, b, err := openParcel(q.obj.Arena(), ref)
	if err == nil {
		v, err = q.view.codec.Decode(b)
	}
	cell.Release()
	if parcel != nil {
		parcel.Close()
	}
	return v, err
}

// All yields messages until the queue is closed and empty, or ctx ends. A message
// that cannot be decoded is yielded as its error.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if errors.Is(err, ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

func (q *Queue[T]) wrap(what string, err error) error {
	return fmt.Errorf("mp: queue: %s: %w", what, err)
}

// Len is how many messages are in the queue, at some moment. Python: qsize.
func (q *Queue[T]) Len() int {
	if !q.usable() {
		return 0
	}
	n := q.view.Len()
	runtime.KeepAlive(q)
	return n
}

// Cap is how many messages the queue can hold.
func (q *Queue[T]) Cap() int {
	if !q.usable() {
		return 0
	}
	return q.view.Cap()
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
// those who have handles. Messages that nobody can get any more are dropped.
func (q *Queue[T]) Free() error { return q.free() }
