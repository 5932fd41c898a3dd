package mp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Delivery is a message on lease: its receiver has it, and nobody else, until it
// says what became of it. Ack consumes the message; Nack returns it, to be
// delivered again, perhaps to somebody else. If the receiver's process dies before,
// the message is delivered again.
//
// A lease may last as long as it likes and holds up nobody. One that is forgotten
// lasts as long as its process.
//
// Python: JoinableQueue, where get and task_done enclose the work; but what a killed
// consumer had is lost there, and join waits for it for ever.
type Delivery[T any] struct {
	// Value is the message.
	Value T

	// Attempt is how often the message was delivered, this time included.
	Attempt int

	lease  ipc.Lease
	view   *queueView[T] // its block is held until the end of the lease
	parcel *shm.Object   // where a long message lies, or nil
	done   atomic.Bool
}

// ErrNotLeased: the message was acknowledged or returned before. Python:
// ValueError, "task_done() called too many times".
var ErrNotLeased = ipc.ErrNotLeased

// Receive takes the first message on lease, and waits for one until ctx ends; also
// for somebody's Ack, if as many messages are on lease as may be. The error is
// ErrClosed when the queue is closed and empty and nobody else has a message on
// lease, which might come back; ctx's; or one of decoding: then the message is
// consumed, and reported once.
//
// Who collects several before the first Ack should acknowledge those he has before he
// asks for more of a closed queue: two who do not, each waiting for what the other might
// return, wait for each other until their contexts end.
func (q *Queue[T]) Receive(ctx context.Context) (*Delivery[T], error) {
	return q.receive(func() (ipc.Lease, error) { return q.view.Receive(ctx) })
}

// TryReceive is Receive, but returns ErrEmpty where Receive would wait.
func (q *Queue[T]) TryReceive() (*Delivery[T], error) {
	return q.receive(func() (ipc.Lease, error) { return q.view.TryReceive() })
}

// Deliveries yields messages on lease, as Receive does, until the queue is closed and
// all of it is dealt with, or ctx ends. A message that cannot be decoded is yielded as
// its error. The loop's body has to Ack or Nack each; one that it leaves alone stays on
// lease.
func (q *Queue[T]) Deliveries(ctx context.Context) iter.Seq2[*Delivery[T], error] {
	return until(ctx, q.Receive)
}

func (q *Queue[T]) receive(receive func() (ipc.Lease, error)) (*Delivery[T], error) {
	if !q.usable() {
		return nil, q.unusable()
	}
	defer runtime.KeepAlive(q)
	d, err := q.view.deliver(receive)
	if err != nil {
		return nil, q.wrap("receive", err)
	}
	return d, nil
}

// deliver makes a Delivery of the first message that may still be delivered.
func (v *queueView[T]) deliver(receive func() (ipc.Lease, error)) (*Delivery[T], error) {
	if err := v.ensureLeases(); err != nil {
		return nil, err
	}
	for {
		lease, err := v.receive(receive)
		if err != nil {
			return nil, err
		}
		if !lease.Exhausted() {
			return v.delivery(lease)
		}
		err = v.bury(lease)
		v.obj.Close()
		if err != nil {
			return nil, err
		}
	}
}

// receive receives a message and holds the queue, for as long as the message is on lease.
// If another goroutine has just freed the last handle of the process, it is returned.
func (v *queueView[T]) receive(receive func() (ipc.Lease, error)) (ipc.Lease, error) {
	v.Enter()
	defer v.Leave()
	lease, err := receive()
	if err == nil && !v.obj.Hold() {
		_ = lease.Nack(0)
		err = ErrClosed
	}
	return lease, err
}

// delivery makes a Delivery, which takes the hold on the queue over.
func (v *queueView[T]) delivery(lease ipc.Lease) (d *Delivery[T], err error) {
	defer func() {
		if d == nil { // also if a decoder panics
			v.obj.Close()
		}
	}()
	m, parcel, err := v.readLease(lease)
	if err != nil {
		return nil, errors.Join(err, v.drop(lease, parcel))
	}
	return &Delivery[T]{
		Value: m, Attempt: lease.Attempt(),
		lease: lease, view: v, parcel: parcel,
	}, nil
}

func (v *queueView[T]) readLease(lease ipc.Lease) (m T, parcel *shm.Object, err error) {
	b, err := lease.Bytes()
	if err == nil {
		b, parcel, err = v.locate(b)
	}
	if err == nil {
		m, err = v.codec.Decode(b)
	}
	return m, parcel, err
}

// drop consumes the message of a lease.
func (v *queueView[T]) drop(lease ipc.Lease, parcel *shm.Object) error {
	err := lease.Ack()
	v.letGo(parcel)
	return err
}

// Ack consumes the message. The error is ErrNotLeased if it was acknowledged or
// returned before. Python: task_done.
func (d *Delivery[T]) Ack() error {
	return d.end(d.lease.Ack, d.view.letGo)
}

// Nack returns the message, to be delivered again when the delay is over, or, if this
// was the last of its attempts, moves it to the dead letters now. The ends of pipes in
// Value go with it: their handles here return ErrMoved afterwards. One that was closed
// stays closed. The error is ErrNotLeased if it was acknowledged or returned before, or
// one of decoding it for the dead letters, such as when a pipe's end in it has gone
// elsewhere; then it is consumed.
func (d *Delivery[T]) Nack(delay time.Duration) error {
	return d.end(func() error { return d.giveBack(delay) }, (*shm.Object).Close)
}

// giveBack returns the message, and before that what only one process can have; or
// buries it.
func (d *Delivery[T]) giveBack(delay time.Duration) error {
	back := d.leave()
	var err error
	if d.lease.Last() {
		if d.parcel != nil {
			d.parcel.Close() // bury has its own hold, and nobody else may have one when it goes to the spares
			d.parcel = nil
		}
		if err = d.view.bury(d.lease); err != nil {
			err = fmt.Errorf("mp: queue: nack: %w", err)
		}
	} else if err = d.lease.Nack(delay); err != nil {
		for _, m := range back {
			m.unsent()
		}
		return err
	}
	for _, m := range back {
		m.sent()
	}
	return err
}

// leave takes what only one process can have away from this one, unless it is closed, or
// went elsewhere before.
func (d *Delivery[T]) leave() (left []movable) {
	for _, h := range d.view.codec.AppendHandles(nil, d.Value) {
		if m, ok := h.(movable); ok && m.leave() == nil {
			left = append(left, m)
		}
	}
	return left
}

func (d *Delivery[T]) end(how func() error, parcel func(*shm.Object)) error {
	if d.done.Swap(true) {
		return ErrNotLeased
	}
	err := how()
	if d.parcel != nil {
		parcel(d.parcel)
	}
	d.view.obj.Close()
	return err
}

// Join waits until every message that was put has been dealt with: got, or received
// and acknowledged. What was done before such an Ack comes before what follows Join.
// The error is ctx's, or ErrClosed if the handle is freed.
//
// Python: JoinableQueue.join.
func (q *Queue[T]) Join(ctx context.Context) error {
	if !q.usable() {
		return q.unusable()
	}
	defer runtime.KeepAlive(q)
	if err := q.view.Join(ctx); err != nil {
		return q.wrap("join", err)
	}
	return nil
}

// ensureLeases gives the queue a lease table if it has none.
func (v *queueView[T]) ensureLeases() error {
	if v.HasLeases() {
		return nil
	}
	if !v.obj.Hold() {
		return ErrClosed
	}
	defer v.obj.Close()
	return v.layLeases(defaultLeases(v.Cap()), 0, nil)
}

// layLeases gives the queue a lease table, unless another process has done so.
func (v *queueView[T]) layLeases(count, attempts int, kept []shm.Ref) error {
	n, err := ipc.LeaseTableSize(count, v.Inline())
	if err != nil {
		return err
	}
	o, mem, err := annex(v.obj, kindLeases, kept, n)
	if err != nil {
		return err
	}
	defer o.Close()
	if err := ipc.InitLeases(mem, count, v.Inline(), attempts); err != nil {
		return err
	}
	v.SetLeaseTable(o.Ref().Word())
	return nil
}

// openLeases finds the memory of the lease table.
func (v *queueView[T]) openLeases(name uint64) ([]byte, error) {
	o, mem, err := openAnnex(v.obj, kindLeases, name)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.leases = o
	return mem, nil
}

// retryDeadLetter is how long a dead letter stays in its queue if the other one has
// no room for it.
const retryDeadLetter = 100 * time.Millisecond

// bury moves a message that was delivered often enough to the queue of dead letters; if
// that has no room, it stays on this one for a while. The error is one of decoding it:
// then it is consumed. The caller holds the queue.
func (v *queueView[T]) bury(lease ipc.Lease) error {
	m, parcel, err := v.readLease(lease)
	if err != nil {
		return errors.Join(err, v.drop(lease, parcel))
	}
	defer v.letHandlesGo(m)
	dead, err := v.deadLetters()
	if err == nil {
		err = dead.TryPut(m)
	}
	if err == nil {
		return v.drop(lease, parcel)
	}
	d := &Delivery[T]{Value: m, view: v}
	left := d.leave()
	if parcel != nil {
		parcel.Close()
	}
	err = lease.Nack(retryDeadLetter)
	for _, m := range left {
		m.sent()
	}
	return err
}

// letHandlesGo gives back what a message that nobody sees brought to this process.
func (v *queueView[T]) letHandlesGo(m T) {
	for _, h := range v.codec.AppendHandles(nil, m) {
		if f, ok := h.(interface{ free() error }); ok {
			_ = f.free() // unless it was sent
		}
	}
}

// deadLetters is the queue that the lease table keeps.
func (v *queueView[T]) deadLetters() (*Queue[T], error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.dead != nil {
		return v.dead, nil
	}
	kept := v.leases.Kept()
	if len(kept) != 1 {
		return nil, shm.ErrDamaged
	}
	q := new(Queue[T])
	if err := q.WireBind(kept[0]); err != nil {
		return nil, err
	}
	v.dead = q
	return q, nil
}
