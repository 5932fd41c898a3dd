package mp

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Loaned is a message that is written where its consumer will read it: Loan gives
// the memory, Publish puts it into the queue. Nothing is copied. It belongs to the
// calling process until then, and is given back if that dies.
//
// Python: none; one would share a SharedMemory and send its name.
type Loaned[E any] struct {
	queue  *Queue[[]E]
	view   *queueView[[]E] // its block is held until the end of the loan
	parcel *shm.Object
	slice  []E
	done   atomic.Bool
}

// Loan gives memory for a message of n elements for the queue. Its content is
// undefined. E must be plain: ErrNotPlain otherwise. Other errors are ErrTooLarge,
// and those of a lack of shared memory.
func Loan[E any](q *Queue[[]E], n int) (*Loaned[E], error) {
	if !q.usable() {
		return nil, q.unusable()
	}
	defer runtime.KeepAlive(q)
	if n < 0 {
		return nil, fmt.Errorf("mp: Loan of %d elements; the number cannot be negative", n)
	}
	parcel, slice, err := loan(q.view, n)
	if err != nil {
		return nil, q.wrap("loan", err)
	}
	if !q.view.obj.Hold() { // another goroutine has just freed it
		parcel.Close()
		return nil, q.wrap("loan", ErrClosed)
	}
	return &Loaned[E]{queue: q, view: q.view, parcel: parcel, slice: slice}, nil
}

func loan[E any](v *queueView[[]E], n int) (*shm.Object, []E, error) {
	size := v.codec.Size(n)
	if size < 0 {
		return nil, nil, fmt.Errorf("elements of type %T lie in no shared memory: %w", *new(E), ErrNotPlain)
	}
	if err := v.checkSize(size); err != nil {
		return nil, nil, err
	}
	parcel, room, err := v.parcel(size)
	if err != nil {
		return nil, nil, err
	}
	slice, err := v.codec.Lay(room, n)
	if err != nil {
		parcel.Close()
		return nil, nil, err
	}
	return parcel, slice, nil
}

// Slice is the message, to be filled. It may not be used after Publish or Discard.
//
// To copy a message of some megabytes there in pieces of, say, 256 KiB can be much faster than at
// once: on amd64, Go's copy of 1 MiB or more may go round the CPU's caches, and the consumer then
// reads it from memory.
func (l *Loaned[E]) Slice() []E { return l.slice }

// Publish puts the message into the queue, as Put does. After an error it is still
// the caller's, to publish again or to discard.
func (l *Loaned[E]) Publish(ctx context.Context) error {
	return l.publish(func(v *queueView[[]E]) (ipc.Claimed, error) { return v.Claim(ctx) })
}

// TryPublish is Publish, but returns ErrFull where Publish would wait.
func (l *Loaned[E]) TryPublish() error {
	return l.publish(func(v *queueView[[]E]) (ipc.Claimed, error) { return v.TryClaim() })
}

func (l *Loaned[E]) publish(claim func(*queueView[[]E]) (ipc.Claimed, error)) error {
	q := l.queue
	if !q.usable() {
		return q.unusable()
	}
	defer runtime.KeepAlive(q)
	if l.done.Swap(true) {
		return fmt.Errorf("mp: this loan was published or discarded: %w", ErrClosed)
	}
	cell, err := claim(q.view)
	if err != nil {
		l.done.Store(false)
		return q.wrap("publish", err)
	}
	cell.Commit(enclose(l.parcel, q.view.obj, cell, messageParcel))
	l.slice = nil
	l.view.obj.Close()
	return nil
}

// Discard gives the memory back. It does nothing after Publish.
func (l *Loaned[E]) Discard() {
	if !l.done.Swap(true) {
		l.slice = nil
		l.view.letGo(l.parcel)
		l.view.obj.Close()
	}
}

// A Borrowed is a message that is read where its producer wrote it. The message is
// consumed: if this process dies, it is gone.
type Borrowed[E any] struct {
	slice  []E
	view   *queueView[[]E]
	pickup pickup
	done   atomic.Bool
}

// Borrow takes the first message of the queue without copying it, and waits for one
// until ctx ends. Its memory must be given back by Release. Errors are those of Get.
func Borrow[E any](ctx context.Context, q *Queue[[]E]) (*Borrowed[E], error) {
	return borrow(q, func() (ipc.Taken, error) { return q.view.Take(ctx) })
}

// TryBorrow is Borrow, but returns ErrEmpty where Borrow would wait.
func TryBorrow[E any](q *Queue[[]E]) (*Borrowed[E], error) {
	return borrow(q, func() (ipc.Taken, error) { return q.view.TryTake() })
}

func borrow[E any](q *Queue[[]E], take func() (ipc.Taken, error)) (*Borrowed[E], error) {
	if !q.usable() {
		return nil, q.unusable()
	}
	defer runtime.KeepAlive(q)
	v := q.view
	p, err := v.take(take)
	if err != nil {
		return nil, q.wrap("borrow", err)
	}
	slice, err := v.read(&p, v.codec.Alias) // plain memory: no decoder of the user's
	if err != nil {
		v.dismiss(&p)
		return nil, q.wrap("borrow", err)
	}
	return &Borrowed[E]{slice: slice, view: v, pickup: p}, nil
}

// Slice is the message. It may be written to, and not be used after Release.
func (b *Borrowed[E]) Slice() []E { return b.slice }

// Release gives the memory back. To release again does nothing.
func (b *Borrowed[E]) Release() {
	if b.done.Swap(true) {
		return
	}
	b.slice = nil
	b.view.dismiss(&b.pickup)
}
