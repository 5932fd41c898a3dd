package ours

import (
	"context"
	"errors"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// A relay is what the holder and the next owner of a lock are told. Neither is the
// other's parent.
type relay struct {
	Mutex *mp.Mutex
	Held  *mp.Event        // the holder has the lock
	Next  *mp.Semaphore    // raised: lock it
	Asked *mp.Event        // the next owner is about to lock it
	Owned *mp.Queue[int64] // when it had it
}

var holdLock = mp.Register("hold a mutex", func(ctx context.Context, r relay) (struct{}, error) {
	if err := r.Mutex.Lock(ctx); err != nil {
		return struct{}{}, err
	}
	if err := r.Held.Set(); err != nil {
		return struct{}{}, err
	}
	<-ctx.Done()
	return struct{}{}, r.Mutex.Unlock()
})

var inheritLock = mp.Register("inherit a mutex", func(ctx context.Context, r relay) (struct{}, error) {
	for {
		if err := r.Next.Acquire(ctx); err != nil {
			return struct{}{}, err
		}
		if err := r.Asked.Set(); err != nil {
			return struct{}{}, err
		}
		if err := r.Mutex.Lock(ctx); !errors.Is(err, mp.ErrOwnerDied) {
			return struct{}{}, errors.Join(err, errors.New("the lock's holder was to die"))
		}
		var owned int64
		err := r.Mutex.Recover(ctx, func() error {
			owned = cpu.Now()
			return nil
		})
		if err != nil {
			return struct{}{}, err
		}
		if err := r.Owned.Put(ctx, owned); err != nil {
			return struct{}{}, err
		}
	}
})

// takeover is from the kill of the holder until the next owner has the lock.
func takeover(job side.Job) (side.Sample, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := newRelay()
	if err != nil {
		return side.Sample{}, err
	}
	if _, err := inheritLock.Start(ctx, r); err != nil {
		return side.Sample{}, err
	}
	return gauge.Events(job.Budget, func() (time.Duration, error) { return r.once(ctx) })
}

func newRelay() (r relay, err error) {
	var errs [5]error
	r.Mutex, errs[0] = mp.NewMutex()
	r.Held, errs[1] = mp.NewEvent()
	r.Next, errs[2] = mp.NewSemaphore(0)
	r.Asked, errs[3] = mp.NewEvent()
	r.Owned, errs[4] = mp.NewQueue[int64](1)
	return r, errors.Join(errs[:]...)
}

func (r relay) once(ctx context.Context) (time.Duration, error) {
	if err := errors.Join(r.Held.Clear(), r.Asked.Clear()); err != nil {
		return 0, err
	}
	holder, err := holdLock.Start(ctx, r)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(r.Held.Wait(ctx), r.Next.Release(1), r.Asked.Wait(ctx)); err != nil {
		return 0, err
	}
	gauge.LetWait()
	killed := cpu.Now()
	if err := holder.Kill(); err != nil {
		return 0, err
	}
	owned, err := r.Owned.Get(ctx)
	return time.Duration(owned - killed), err
}
