package succession

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/mpgo/mp"
)

// A Kind is a kind of object, and how processes own it and wait for it.
type Kind struct {
	name string

	// own comes to own the object, calls ready, and has it for good.
	own func(ctx context.Context, a act) error

	// wait waits until it can have the object, or for what its owner does, calls
	// got, and gives it back.
	wait func(ctx context.Context, a act) error

	// wakes says that the owner lets others go on, and so comes when they wait.
	wakes bool

	// before each round, and when the owner and the other are dead; nil for nothing.
	before, mourn func(ctx context.Context, a act) error

	// check is an error if not all is as at first.
	check func(ctx context.Context, p props) error
}

// An act is one process's part in a round.
type act struct {
	*props
	round int64
	ready func() // says that it has begun
	got   func() // notes the time
}

var kinds = []Kind{
	{
		name: "Mutex",
		own: func(ctx context.Context, a act) error {
			return halfway(a, a.lock(ctx))
		},
		wait: func(ctx context.Context, a act) error {
			return whole(a, a.lock(ctx), a.Mutex.Unlock)
		},
		check: func(_ context.Context, p props) error {
			return errors.Join(p.even(), free("lock", p.Mutex.Locked()))
		},
	},
	{
		name: "RWMutex",
		own: func(ctx context.Context, a act) error {
			return halfway(a, a.writeLock(ctx))
		},
		wait: func(ctx context.Context, a act) error {
			return whole(a, a.writeLock(ctx), a.RWMutex.Unlock)
		},
		check: checkRWMutex,
	},
	{
		name: "RWMutex-readers",
		own: func(ctx context.Context, a act) error {
			return begun(a, a.RWMutex.RLock(ctx))
		},
		wait: func(ctx context.Context, a act) error {
			return whole(a, a.writeLock(ctx), a.RWMutex.Unlock)
		},
		check: checkRWMutex,
	},
	{
		name: "RLock",
		own: func(ctx context.Context, a act) error {
			h := a.RLock.Holder()
			return halfway(a, errors.Join(a.hold(ctx, h), a.hold(ctx, h)))
		},
		wait: func(ctx context.Context, a act) error {
			h := a.RLock.Holder()
			return whole(a, a.hold(ctx, h), h.Unlock)
		},
		check: func(_ context.Context, p props) error {
			return errors.Join(p.even(), free("lock", p.RLock.Locked()))
		},
	},
	{
		// Its permits are nobody's: what a dead process had, another one must release.
		name: "Semaphore",
		own: func(ctx context.Context, a act) error {
			return begun(a, a.Semaphore.Acquire(ctx))
		},
		wait: func(ctx context.Context, a act) error {
			return had(a, a.Semaphore.Acquire(ctx), func() error { return a.Semaphore.Release(1) })
		},
		mourn: func(_ context.Context, a act) error { return a.Semaphore.Release(1) },
		check: func(_ context.Context, p props) error { return equal("permits", p.Semaphore.Value(), 1) },
	},
	{
		name: "BoundedSemaphore",
		own: func(ctx context.Context, a act) error {
			return begun(a, a.Bounded.Acquire(ctx))
		},
		wait: func(ctx context.Context, a act) error {
			return had(a, a.Bounded.Acquire(ctx), a.Bounded.Release)
		},
		check: func(_ context.Context, p props) error { return equal("permits", p.Bounded.Value(), p.Bounded.Limit()) },
	},
	{
		name: "Event", wakes: true,
		before: func(_ context.Context, a act) error { return a.Event.Clear() },
		own: func(_ context.Context, a act) error {
			a.ready()
			return a.Event.Set()
		},
		wait: func(ctx context.Context, a act) error {
			return had(a, a.Event.Wait(ctx), nothing)
		},
		mourn: func(_ context.Context, a act) error { return a.Event.Set() }, // if it died before it could
		check: func(_ context.Context, p props) error {
			return errors.Join(p.Event.Clear(), free("flag", p.Event.IsSet()))
		},
	},
	{
		name: "Cond", wakes: true,
		own: func(ctx context.Context, a act) error {
			if err := a.lock(ctx); err != nil {
				return err
			}
			a.ready()
			a.Array.Set(turn, a.round)
			return a.Cond.NotifyAll()
		},
		wait: func(ctx context.Context, a act) error {
			if err := a.lock(ctx); err != nil {
				return err
			}
			err := a.Cond.WaitFor(ctx, func() bool { return a.Array.At(turn) >= a.round })
			if errors.Is(err, mp.ErrOwnerDied) { // who notified has died with the lock
				err = a.lock(ctx)
			}
			return had(a, err, a.Mutex.Unlock)
		},
		mourn: func(ctx context.Context, a act) error { // if it died before it could
			if err := a.lock(ctx); err != nil {
				return err
			}
			a.Array.Set(turn, a.round)
			return errors.Join(a.Cond.NotifyAll(), a.Mutex.Unlock())
		},
		check: func(_ context.Context, p props) error {
			return errors.Join(equal("waiters", p.Cond.Waiting(), 0), free("lock", p.Mutex.Locked()))
		},
	},
	{
		name:   "Barrier",
		before: func(_ context.Context, a act) error { return a.Barrier.Reset() },
		own: func(ctx context.Context, a act) error {
			go func() {
				for a.Barrier.Waiting() == 0 {
					runtime.Gosched()
				}
				a.ready()
			}()
			return a.broken(ctx)
		},
		wait: func(ctx context.Context, a act) error {
			return had(a, a.broken(ctx), nothing)
		},
		check: checkBarrier,
	},
	{
		name: "Once",
		before: func(_ context.Context, a act) error {
			fresh, err := mp.NewOnce()
			if err != nil {
				return err
			}
			done := a.Once
			a.Once = fresh
			return done.Free()
		},
		own: func(ctx context.Context, a act) error {
			return a.Once.Do(ctx, func() error { a.ready(); select {} })
		},
		wait: func(ctx context.Context, a act) error {
			return had(a, a.Once.Do(ctx, nothing), nothing)
		},
		check: func(_ context.Context, p props) error {
			if !p.Once.Done() {
				return errors.New("nobody has done it")
			}
			return nil
		},
	},
	{
		name: "Value.Update",
		own: func(ctx context.Context, a act) error {
			return a.Value.Update(ctx, func(v *account) {
				v.Sum, v.Entries[3] = -1, 13
				a.ready()
				select {}
			})
		},
		wait: func(ctx context.Context, a act) error {
			err := a.Value.Update(ctx, (*account).book)
			return had(a, err, func() error { mp.AddAt(a.Array, booked, 1); return nil })
		},
		check: checkValue,
	},
	{
		name: "Array.Update",
		own: func(ctx context.Context, a act) error {
			return a.update(ctx, func() { a.half(); a.ready(); select {} })
		},
		wait: func(ctx context.Context, a act) error {
			return a.update(ctx, func() { a.raise(); a.got() })
		},
		check: func(ctx context.Context, p props) error {
			return errors.Join(p.even(), p.Array.Update(ctx, func([]int64) {}))
		},
	},
}

// begun says that the caller owns the object from now on.
func begun(a act, err error) error {
	if err == nil {
		a.ready()
	}
	return err
}

// halfway is the owner's way to change half of what a lock protects.
func halfway(a act, err error) error {
	if err == nil {
		a.half()
	}
	return begun(a, err)
}

// had is the end of a wait.
func had(a act, err error, giveBack func() error) error {
	if err != nil {
		return err
	}
	a.got()
	return giveBack()
}

// whole is the end of a wait for a lock: it changes all that the lock protects.
func whole(a act, err error, unlock func() error) error {
	return had(a, err, func() error { a.raise(); return unlock() })
}

func nothing() error { return nil }

func (a act) lock(ctx context.Context) error {
	return locked(ctx, a.Mutex.Lock, a.Mutex.Recover, a.repair)
}

func (a act) writeLock(ctx context.Context) error {
	return locked(ctx, a.RWMutex.Lock, a.RWMutex.Recover, a.repair)
}

func (a act) hold(ctx context.Context, h *mp.Holder) error {
	return locked(ctx, h.Lock, a.RLock.Recover, a.repair)
}

func (a act) update(ctx context.Context, f func()) error {
	return locked(ctx, func(ctx context.Context) error {
		return a.Array.Update(ctx, func([]int64) { f() })
	}, func(ctx context.Context, repair func() error) error {
		return a.Array.Recover(ctx, func([]int64) error { return repair() })
	}, a.repair)
}

// locked locks, and repairs what dead owners have left.
func locked(ctx context.Context, lock func(context.Context) error, recover func(context.Context, func() error) error, repair func() error) error {
	err := lock(ctx)
	for errors.Is(err, mp.ErrOwnerDied) {
		if err = recover(ctx, repair); err == nil || errors.Is(err, mp.ErrHealthy) {
			err = lock(ctx)
		}
	}
	return err
}

// broken waits at the barrier, which must break.
func (a act) broken(ctx context.Context) error {
	_, err := a.Barrier.Wait(ctx)
	if errors.Is(err, mp.ErrBrokenBarrier) {
		return nil
	}
	return fmt.Errorf("the barrier was to break: %w", err)
}

// even is an error if the lock's data was left as a dead owner left it.
func (p props) even() error {
	return equal("what the lock protects", int(p.Array.At(left)), int(p.Array.At(right)))
}

func equal(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%s: %d, where %d is due", what, got, want)
	}
	return nil
}

func free(what string, held bool) error {
	if held {
		return fmt.Errorf("the %s is held, and nobody is left", what)
	}
	return nil
}

func checkRWMutex(_ context.Context, p props) error {
	return errors.Join(p.even(), free("lock", p.RWMutex.Locked()), equal("readers", p.RWMutex.Readers(), 0))
}

// checkBarrier has all parties meet.
func checkBarrier(ctx context.Context, p props) error {
	if err := p.Barrier.Reset(); err != nil {
		return err
	}
	met := make(chan error, parties)
	for range parties {
		go func() { _, err := p.Barrier.Wait(ctx); met <- err }()
	}
	var errs []error
	for range parties {
		errs = append(errs, <-met)
	}
	return errors.Join(append(errs, equal("parties", p.Barrier.Waiting(), 0))...)
}

// checkValue counts the changes: one may have been done by each who was killed, and
// not be known to be.
func checkValue(ctx context.Context, p props) error {
	v := p.Value.Load()
	if !v.sound() {
		return fmt.Errorf("a mix of two values: %+v", v)
	}
	if v.Serial < p.Array.At(booked) {
		return fmt.Errorf("%d changes, and %d were done", v.Serial, p.Array.At(booked))
	}
	return p.Value.Update(ctx, func(*account) {})
}
