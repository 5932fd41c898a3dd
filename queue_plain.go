package mp

import (
	"context"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// plainly is what PutQuick and GetQuick do not do quickly.
func (v *queueView[T]) plainly() ipc.Plainly {
	return ipc.Plainly{
		Put: func(ctx context.Context, msg []byte) error {
			var m T // msg is memory that must not be kept
			shm.Get(msg, &m)
			return v.put(ctx, m)
		},
		Get: func(ctx context.Context, into []byte, odd *ipc.Taken) error {
			var m T
			err := v.get(ctx, &m, odd)
			if err == nil {
				shm.Put(into, &m)
			}
			return err
		},
	}
}

// put puts a message. With atOnce it does not wait.
func (v *queueView[T]) put(ctx context.Context, m T) error {
	var err error
	switch claim := v.claimer(ctx); {
	case v.raw:
		err = v.ship(claim, func(cell ipc.Claimed) (int, error) {
			shm.Put(cell.Bytes(), &m)
			return v.codec.Fixed(), nil
		})
	case v.fits:
		err = v.ship(claim, func(cell ipc.Claimed) (int, error) {
			b, err := v.codec.Append(cell.Bytes()[:0], m)
			return len(b), err
		})
	default:
		err = v.putEncoded(m, claim)
	}
	if err != nil {
		err = wrapQueue("put", err)
	}
	return err
}

func (v *queueView[T]) claimer(ctx context.Context) func() (ipc.Claimed, error) {
	if ctx == atOnce {
		return v.TryClaim
	}
	return func() (ipc.Claimed, error) { return v.Claim(ctx) }
}

// get gets a message to *m. If there is an odd one, that was taken before. With atOnce it
// does not wait.
func (v *queueView[T]) get(ctx context.Context, m *T, odd *ipc.Taken) error {
	take := v.taker(ctx)
	if v.raw && odd == nil {
		cell, done, err := v.getRaw(m, take)
		switch {
		case done:
			return nil
		case err != nil:
			return wrapQueue("get", err)
		}
		odd = &cell
	}
	if odd != nil {
		take = thenTake(*odd, take)
	}
	got, err := v.next(take)
	if err != nil {
		return wrapQueue("get", err)
	}
	*m = got
	return nil
}

func (v *queueView[T]) taker(ctx context.Context) func() (ipc.Taken, error) {
	if ctx == atOnce {
		return v.TryTake
	}
	return func() (ipc.Taken, error) { return v.Take(ctx) }
}

// getRaw gets a message that is plain memory to *m. If it is not done and there is no error,
// the message is not so, or came back, and is the caller's.
func (v *queueView[T]) getRaw(m *T, take func() (ipc.Taken, error)) (cell ipc.Taken, done bool, err error) {
	v.Enter()
	defer v.Leave()
	if cell, err = take(); err != nil {
		return cell, false, err
	}
	b := cell.Exactly(v.codec.Fixed())
	if b == nil {
		return cell, false, nil
	}
	shm.Get(b, m)
	cell.Release()
	return cell, true, nil
}

// thenTake is take once first was taken.
func thenTake(first ipc.Taken, take func() (ipc.Taken, error)) func() (ipc.Taken, error) {
	taken := false
	return func() (ipc.Taken, error) {
		if taken {
			return take()
		}
		taken = true
		return first, nil
	}
}
