package mp

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
)

// A baton lets the goroutines of this process do something one at a time, until it
// is shut. Taking a free one and giving it back costs an atomic operation each;
// those who have to wait are few, and wait on Go's own primitives.
//
// A waiter counts itself in before it looks at the state once more, and whoever
// gives the turn back looks at the count afterwards: one of the two sees the other.
// A nudge that nobody needs stays for the next waiter, who then looks once too
// often.
type baton struct {
	state   atomic.Uint32
	waiters atomic.Int32
	nudge   chan struct{} // of capacity 1
}

const (
	batonShut  = 0
	batonFree  = 1
	batonTaken = 2
)

// errShut: the baton cannot be had any more.
var errShut = errors.New("shut")

// try takes the baton if it is free.
func (b *baton) try() bool { return b.state.CompareAndSwap(batonFree, batonTaken) }

// tries bounds how often tryNow looks.
const tries = 16

// tryNow is try for those who must not wait, but need not give up because another
// goroutine has the baton for a moment. The error is errShut.
func (b *baton) tryNow() (bool, error) {
	for range tries {
		if b.try() {
			return true, nil
		}
		if b.state.Load() == batonShut {
			return false, errShut
		}
		runtime.Gosched()
	}
	return false, nil
}

// take takes the baton. The error is errShut, or the context's.
func (b *baton) take(ctx context.Context) error {
	if b.try() {
		return nil
	}
	b.waiters.Add(1)
	defer b.waiters.Add(-1)
	for {
		switch {
		case b.try():
			return nil
		case b.state.Load() == batonShut:
			b.wake() // the next one must see it, too
			return errShut
		}
		select {
		case <-b.nudge:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takeOr is take, but if ctx is atOnce it does not wait: then the error is busy.
func (b *baton) takeOr(ctx context.Context, busy error) error {
	if ctx != atOnce {
		return b.take(ctx)
	}
	ok, err := b.tryNow()
	if err == nil && !ok {
		err = busy
	}
	return err
}

// give gives the baton back.
func (b *baton) give() { b.end(batonFree) }

// shut takes the baton for good, or until open. There must be an end to what others
// do with it.
func (b *baton) shut() {
	if b.take(context.Background()) == nil {
		b.end(batonShut)
	}
}

// open is for the one who shut it, or made it.
func (b *baton) open() { b.end(batonFree) }

func (b *baton) end(state uint32) {
	b.state.Store(state)
	if b.waiters.Load() != 0 {
		b.wake()
	}
}

func (b *baton) wake() {
	select {
	case b.nudge <- struct{}{}:
	default:
	}
}
