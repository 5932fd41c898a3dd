package mp

import (
	"bytes"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A pickup is a message that was taken out of a queue and is not decoded yet. Whoever
// has it dismisses it.
type pickup struct {
	cell   ipc.Taken   // to be released, as long as the queue is held
	held   bool        // the pickup holds the queue, which another goroutine may free meanwhile
	b      []byte      // what is to be decoded: in the cell, in the parcel, or a copy
	parcel *shm.Object // where it lies, or nil
	err    error       // why there is nothing to decode
}

// take takes the first message that may still be delivered.
func (v *queueView[T]) take(take func() (ipc.Taken, error)) (pickup, error) {
	for {
		p, err := v.takeAny(take)
		if err != nil {
			return p, err
		}
		if !isExhausted(p.cell) {
			return p, nil
		}
		lease, _ := p.cell.OnLease()
		err = v.bury(lease)
		v.obj.Close()
		if err != nil {
			return p, err
		}
	}
}

// takeAny takes a message. A Free of the last handle of the process, by another
// goroutine, waits for that, but not for what is done with the pickup: a decoder may be
// the user's, or open this very queue.
func (v *queueView[T]) takeAny(take func() (ipc.Taken, error)) (p pickup, err error) {
	v.Enter()
	defer v.Leave()
	if p.cell, err = take(); err != nil {
		return p, err
	}
	if p.held = v.obj.Hold(); p.held {
		return p, nil
	}
	if lease, ok := p.cell.OnLease(); ok {
		_ = lease.Nack(0) // for other processes
		return p, ErrClosed
	}
	v.open(&p)
	if p.parcel == nil {
		p.b = bytes.Clone(p.b)
	}
	p.cell.Release()
	return p, nil
}

// open finds what a pickup says.
func (v *queueView[T]) open(p *pickup) {
	b, err := p.cell.Bytes()
	if err == nil {
		b, p.parcel, err = v.locate(b)
	}
	p.b, p.err = b, err
}

// read decodes a pickup, by the given way what lies in a block of its own, and lets go
// of the cell. Until then the parcel belongs to that, so that another consumer finds it
// there if this one dies.
func (v *queueView[T]) read(p *pickup, parcel func([]byte) (T, error)) (m T, err error) {
	if p.held {
		v.open(p)
		defer p.cell.Release()
	}
	switch {
	case p.err != nil:
		return m, p.err
	case p.parcel != nil:
		return parcel(p.b)
	}
	return v.codec.Decode(p.b)
}

// dismiss ends the use of a pickup that was read.
func (v *queueView[T]) dismiss(p *pickup) {
	switch {
	case p.held:
		v.letGo(p.parcel)
		v.obj.Close()
	case p.parcel != nil:
		p.parcel.Close()
	}
}

// next takes the first message and decodes it.
func (v *queueView[T]) next(take func() (ipc.Taken, error)) (m T, err error) {
	p, err := v.take(take)
	if err != nil {
		return m, err
	}
	return v.finish(&p)
}

// finish reads and dismisses a pickup, also if a decoder panics.
func (v *queueView[T]) finish(p *pickup) (T, error) {
	defer v.dismiss(p)
	return v.read(p, v.codec.Decode)
}
