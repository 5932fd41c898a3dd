package ours

import (
	"context"
	"sync"

	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// blocked counts the threads that goroutines take which wait for a lock that
// another process holds.
func blocked(job side.Job) (side.Sample, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := newRelay()
	if err != nil {
		return side.Sample{}, err
	}
	holder, err := holdLock.Start(ctx, r)
	if err != nil {
		return side.Sample{}, err
	}
	if err := r.Held.Wait(ctx); err != nil {
		return side.Sample{}, err
	}
	before := gauge.Threads()
	var all sync.WaitGroup
	for range job.Goroutines {
		all.Go(func() {
			if r.Mutex.Lock(context.Background()) == nil {
				_ = r.Mutex.Unlock()
			}
		})
	}
	threads := gauge.SettledThreads() - before
	cancel() // the holder unlocks
	all.Wait()
	return side.Sample{Figure: float64(threads), Count: job.Goroutines}, holder.Wait(context.Background())
}
