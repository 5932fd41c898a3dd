package ours

import (
	"context"
	"runtime"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// A counter is a number that a lock protects.
type counter struct {
	ctx    context.Context
	mutex  *mp.Mutex
	number []uint64
}

// Do raises the number n times.
func (c counter) Do(n int) error {
	for range n {
		if err := c.mutex.Lock(c.ctx); err != nil {
			return err
		}
		c.number[0]++
		if err := c.mutex.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

func mutexAlone(job side.Job) (side.Sample, error) {
	mutex, err := mp.NewMutex()
	if err != nil {
		return side.Sample{}, err
	}
	if err := pin(job, 0); err != nil {
		return side.Sample{}, err
	}
	return gauge.Latency(counter{context.Background(), mutex, make([]uint64, 1)}, job.Budget)
}

// A mutexPost is what a process is told that counts.
type mutexPost struct {
	Post   post
	Mutex  *mp.Mutex
	Number *mp.Array[uint64]
}

var contend = mp.Register("contend for a mutex", func(ctx context.Context, p mutexPost) (gauge.Tally, error) {
	var c crew
	var opens int64
	begin, number := make(chan struct{}), p.Number.Slice()
	for range max(p.Post.Job.Goroutines, 1) {
		c.add(func() (gauge.Tally, error) {
			<-begin
			return countUntilDone(counter{ctx, p.Mutex, number}, p.Post.Job, opens)
		})
	}
	opens, err := p.Post.take(ctx)
	close(begin)
	if err != nil {
		return gauge.Tally{}, err
	}
	sum, err := c.sum()
	runtime.KeepAlive(p.Number)
	return sum, err
})

func countUntilDone(c counter, job side.Job, opens int64) (gauge.Tally, error) {
	const burst = 16
	m := gauge.NewMeterAt(256, job.Budget, opens)
	for m.Tick(burst) {
		if err := c.Do(burst); err != nil {
			return gauge.Tally{}, err
		}
	}
	return m.Tally(), nil
}

func mutexContended(job side.Job) (side.Sample, error) {
	mutex, err := mp.NewMutex()
	if err != nil {
		return side.Sample{}, err
	}
	number, err := mp.NewArray[uint64](16)
	if err != nil {
		return side.Sample{}, err
	}
	start, err := newStart(job.Workers)
	if err != nil {
		return side.Sample{}, err
	}
	var c crew
	for i := range job.Workers {
		c.add(process(contend, mutexPost{post{job, i, start}, mutex, number}))
	}
	if err := start.give(context.Background(), job.Budget); err != nil {
		return side.Sample{}, err
	}
	sum, err := c.sum()
	if err != nil {
		return side.Sample{}, err
	}
	return sum.Cost(), nil
}
