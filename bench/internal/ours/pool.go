package ours

import (
	"context"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

var double = mp.Register("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

var pinWorker = mp.Register("pin the worker", func(_ context.Context, job side.Job) (struct{}, error) {
	return struct{}{}, pin(job, 1)
})

// newPinnedPool is a pool of one worker, which runs beside this process.
func newPinnedPool(ctx context.Context, job side.Job, opts ...mp.PoolOption) (*mp.Pool, error) {
	pool, err := mp.NewPool(ctx, 1, opts...)
	if err != nil {
		return nil, err
	}
	if _, err := pinWorker.Call(ctx, pool, job); err != nil {
		return nil, err
	}
	return pool, pin(job, 0)
}

func call(job side.Job) (side.Sample, error) {
	ctx := context.Background()
	pool, err := newPinnedPool(ctx, job)
	if err != nil {
		return side.Sample{}, err
	}
	defer pool.Stop()
	return gauge.Latency(gauge.Func(func() error {
		_, err := double.Call(ctx, pool, 21)
		return err
	}), job.Budget)
}

// mapTasks is one Map of as many tasks as the budget is good for.
func mapTasks(job side.Job) (side.Sample, error) {
	ctx := context.Background()
	pool, err := mp.NewPool(ctx, job.Workers)
	if err != nil {
		return side.Sample{}, err
	}
	defer pool.Stop()
	var options []mp.MapOption
	if job.Chunk > 0 {
		options = append(options, mp.WithChunk(job.Chunk))
	}
	for n := 1000; ; n *= 2 { // the first only warms up
		begin := time.Now()
		if _, err := double.Map(ctx, pool, make([]int, n), options...); err != nil {
			return side.Sample{}, err
		}
		if took := time.Since(begin); n > 1000 && took > job.Budget/2 {
			return side.Sample{Figure: float64(n) / took.Seconds(), Count: n}, nil
		}
	}
}
