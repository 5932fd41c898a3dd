package mp

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// batchSize is how many cells are claimed at a time.
const batchSize = 64

// PutBatch puts all of vs, in order, and waits for free places until ctx ends. It
// returns how many it put; if there is an error, the others were not put. Messages
// of others may come in between. For messages that lie in their cells as they are, a T of
// fixed size, it is faster than single Puts: cells are claimed, and consumers told, once
// for many. Others are put one by one.
func (q *Queue[T]) PutBatch(ctx context.Context, vs []T) (int, error) {
	if !q.usable() {
		return 0, q.unusable()
	}
	defer runtime.KeepAlive(q)
	if !q.view.fits {
		return q.putEach(ctx, vs)
	}
	put := 0
	for put < len(vs) {
		n, err := q.view.putCells(ctx, vs[put:min(put+batchSize, len(vs))])
		put += n
		if err != nil {
			return put, q.wrap("put", err)
		}
	}
	return put, nil
}

// putCells puts the first of vs, which are batchSize at most, into their cells.
func (v *queueView[T]) putCells(ctx context.Context, vs []T) (int, error) {
	v.Enter()
	defer v.Leave()
	if v.raw && ctx.Err() == nil {
		if n := v.PutManyQuick(shm.Raw(vs), v.codec.Fixed()); n > 0 {
			return n, nil
		}
	}
	var cells [batchSize]ipc.Claimed
	n, err := v.ClaimBatch(ctx, cells[:len(vs)])
	if err != nil {
		return 0, err
	}
	filled, err := v.fill(cells[:n], vs)
	ipc.CommitBatch(cells[:n], filled)
	return filled, err
}

// fill encodes a message into each cell. It returns how many it could.
func (v *queueView[T]) fill(cells []ipc.Claimed, vs []T) (int, error) {
	if v.raw {
		ipc.FillFrom(cells, shm.Raw(vs), v.codec.Fixed())
		return len(cells), nil
	}
	for i, c := range cells {
		b, err := v.codec.Append(c.Bytes()[:0], vs[i])
		if err != nil {
			return i, err
		}
		c.Fill(len(b))
	}
	return len(cells), nil
}

// putEach is PutBatch for messages that need not lie in their cells.
func (q *Queue[T]) putEach(ctx context.Context, vs []T) (int, error) {
	for i, v := range vs {
		if err := q.Put(ctx, v); err != nil {
			return i, err
		}
	}
	return len(vs), nil
}

// GetBatch takes up to len(into) messages, as many as there are, and waits for the
// first until ctx ends. It returns how many it took. Messages that cannot be
// decoded are consumed and left out; then there is an error beside those that can.
func (q *Queue[T]) GetBatch(ctx context.Context, into []T) (int, error) {
	return q.getBatch(ctx, into)
}

// TryGetBatch is GetBatch, but returns ErrEmpty where GetBatch would wait.
func (q *Queue[T]) TryGetBatch(into []T) (int, error) { return q.getBatch(atOnce, into) }

func (q *Queue[T]) getBatch(ctx context.Context, into []T) (int, error) {
	if !q.usable() {
		return 0, q.unusable()
	}
	defer runtime.KeepAlive(q)
	get := q.view.getEach
	if q.view.fits {
		get = q.view.getCells
	}
	got := 0
	for got < len(into) {
		n, err := get(ctx, into[got:min(got+batchSize, len(into))])
		got += n
		switch {
		case got > 0 && (err == ErrEmpty || err == ErrClosed):
			return got, nil // who calls again is told
		case err != nil:
			return got, q.wrap("get", err)
		case got > 0:
			ctx = atOnce // only the first is waited for
		}
	}
	return got, nil
}

// getEach takes messages one by one, and waits for the first, but not with atOnce.
func (v *queueView[T]) getEach(ctx context.Context, into []T) (n int, failed error) {
	take := func() (ipc.Taken, error) {
		if ctx == atOnce {
			return v.TryTake()
		}
		return v.Take(ctx)
	}
	for i := range into {
		p, err := v.take(take)
		switch {
		case err != nil && i == 0:
			return 0, err
		case err == ErrEmpty || err == ErrClosed:
			return n, failed
		case err != nil:
			return n, errors.Join(failed, err)
		}
		ctx = atOnce
		m, err := v.finish(&p)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		into[n] = m
		n++
	}
	return n, failed
}

// getCells takes messages that lie in their cells, as a batch, and buries those that may
// not be delivered any more.
func (v *queueView[T]) getCells(ctx context.Context, into []T) (int, error) {
	n, exhausted, err := v.takeCells(ctx, into)
	for _, lease := range exhausted {
		err = errors.Join(err, v.bury(lease))
		v.obj.Close()
	}
	return n, err
}

// takeCells waits for the first message, but not with atOnce. Each lease that it returns
// holds the queue.
func (v *queueView[T]) takeCells(ctx context.Context, into []T) (n int, exhausted []ipc.Lease, err error) {
	v.Enter()
	defer v.Leave()
	if v.raw && (ctx == atOnce || ctx.Err() == nil) {
		n, odd := v.GetManyQuick(shm.Raw(into), v.codec.Fixed(), ctx != atOnce)
		if odd != nil {
			k, _, err := v.consumeCells(odd, into[n:])
			return n + k, nil, err
		}
		if n > 0 {
			return n, nil, nil
		}
	}
	var cells [batchSize]ipc.Taken
	if ctx == atOnce {
		n, err = v.TryTakeBatch(cells[:len(into)])
	} else {
		n, err = v.TakeBatch(ctx, cells[:len(into)])
	}
	if err != nil {
		return 0, nil, err
	}
	return v.consumeCells(cells[:n], into)
}

// consumeCells decodes taken messages and lets go of them. It returns how many it could
// decode, and the errors of the others.
func (v *queueView[T]) consumeCells(cells []ipc.Taken, into []T) (n int, exhausted []ipc.Lease, failed error) {
	tired := false
	for _, cell := range cells {
		if v.raw {
			if b := cell.Exactly(v.codec.Fixed()); b != nil {
				shm.Get(b, &into[n])
				n++
				continue
			}
		}
		if isExhausted(cell) {
			exhausted, tired = v.keep(exhausted, cell), true
			continue
		}
		m, err := v.decodeCell(cell)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		into[n] = m
		n++
	}
	if tired {
		cells = slices.DeleteFunc(cells, isExhausted)
	}
	ipc.ReleaseBatch(cells)
	return n, exhausted, failed
}

// keep adds the lease of a cell to those that hold the queue, unless another goroutine
// has just freed it: then other processes have the message.
func (v *queueView[T]) keep(leases []ipc.Lease, cell ipc.Taken) []ipc.Lease {
	lease, _ := cell.OnLease()
	if !v.obj.Hold() {
		_ = lease.Nack(0)
		return leases
	}
	return append(leases, lease)
}

// isExhausted reports whether a message may not be delivered any more.
func isExhausted(cell ipc.Taken) bool {
	lease, ok := cell.OnLease()
	return ok && lease.Exhausted()
}

// decodeCell decodes a message that lies in its cell.
func (v *queueView[T]) decodeCell(cell ipc.Taken) (m T, err error) {
	b, err := cell.Bytes()
	if err != nil {
		return m, err
	}
	return v.codec.Decode(b)
}
