package ours

import (
	"context"
	"os"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// idle is the CPU time of a tree of processes in which everybody waits: the workers
// of a pool for tasks, goroutines of this process for a message, a lock, an event.
func idle(job side.Job) (side.Sample, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pool, err := mp.NewPool(ctx, job.Workers)
	if err != nil {
		return side.Sample{}, err
	}
	defer pool.Stop()
	if _, err := double.Map(ctx, pool, make([]int, 1000)); err != nil {
		return side.Sample{}, err
	}
	r, err := newRelay()
	if err != nil {
		return side.Sample{}, err
	}
	if _, err := holdLock.Start(ctx, r); err != nil {
		return side.Sample{}, err
	}
	if err := r.Held.Wait(ctx); err != nil {
		return side.Sample{}, err
	}
	go func() { _, _ = r.Owned.Get(ctx) }()
	go func() { _ = r.Mutex.Lock(ctx) }()
	go func() { _ = r.Asked.Wait(ctx) }()
	processes := []int{os.Getpid()}
	for _, p := range mp.ActiveChildren() {
		processes = append(processes, p.PID())
	}
	return gauge.Idle(job.Budget, processes...), nil
}
