package mp

import (
	"context"
	"errors"
	"runtime"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// batchSize is how many cells are claimed at a time.
const batchSize = 64

// PutBatch puts all of vs, in order, and waits for free places until ctx ends. It
// returns how many it put; if there is an error, the others were not put. Messages
// of others may come in between. It is faster than single Puts: producers and
// consumers are told once for many.
func (q *Queue[T]) PutBatch(ctx context.Context, vs []T) (int, error) {
	if !q.usable() {
		return 0, q.unusable()
	}
	defer runtime.KeepAlive(q)
	if !q.view.inCell() {
		return q.putEach(ctx, vs)
	}
	var cells [batchSize]ipc.Claimed
	put := 0
	for put < len(vs) {
		n, err := q.view.ClaimBatch(ctx, cells[:min(batchSize, len(vs)-put)])
		if err != nil {
			return put, q.wrap("put", err)
		}
		filled, err := q.view.fill(cells[:n], vs[put:])
		ipc.CommitBatch(cells[:n], filled)
		put += filled
		if err != nil {
			return put, q.wrap("put", err)
		}
	}
	return put, nil
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
	var cells [batchSize]ipc.Taken
	got := 0
	for got < len(into) {
		n, err := q.view.takeBatch(ctx, cells[:min(batchSize, len(into)-got)])
		if got > 0 && err != nil {
			return got, nil // who calls again is told
		}
		if err != nil {
			return 0, q.wrap("get", err)
		}
		decoded, err := q.view.consumeBatch(cells[:n], into[got:])
		got += decoded
		if err != nil {
			return got, q.wrap("get", err)
		}
		if got > 0 {
			ctx = atOnce // only the first is waited for
		}
	}
	return got, nil
}

// takeBatch takes messages, as a batch if they are given back as one. With atOnce it
// does not wait.
func (v *queueView[T]) takeBatch(ctx context.Context, cells []ipc.Taken) (int, error) {
	switch {
	case !v.inCell():
		return v.takeEach(ctx, cells)
	case ctx == atOnce:
		return v.TryTakeBatch(cells)
	}
	return v.TakeBatch(ctx, cells)
}

// takeEach takes messages one by one, and waits for the first.
func (v *queueView[T]) takeEach(ctx context.Context, cells []ipc.Taken) (n int, err error) {
	if ctx != atOnce {
		if cells[0], err = v.Take(ctx); err != nil {
			return 0, err
		}
		n = 1
	}
	for ; n < len(cells); n++ {
		if cells[n], err = v.TryTake(); err != nil {
			break
		}
	}
	if n > 0 {
		err = nil // who calls again is told
	}
	return n, err
}

// consumeBatch decodes taken messages and lets go of them. It returns how many it
// could decode, and the errors of the others.
func (v *queueView[T]) consumeBatch(cells []ipc.Taken, into []T) (int, error) {
	var failed error
	n := 0
	for _, cell := range cells {
		if v.raw {
			if b := cell.Exactly(v.codec.Fixed()); b != nil {
				shm.Get(b, &into[n])
				n++
				continue
			}
		}
		if lease, ok := cell.OnLease(); ok && lease.Exhausted() {
			failed = errors.Join(failed, v.bury(lease))
			continue
		}
		m, err := v.decodeOrConsume(cell)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		into[n] = m
		n++
	}
	if v.inCell() {
		ipc.ReleaseBatch(cells)
	}
	return n, failed
}

// decodeOrConsume leaves a message that lies in its cell there, for ReleaseBatch.
func (v *queueView[T]) decodeOrConsume(cell ipc.Taken) (m T, err error) {
	if !v.inCell() {
		return v.consume(cell)
	}
	b, err := cell.Bytes()
	if err != nil {
		return m, err
	}
	return v.codec.Decode(b)
}
