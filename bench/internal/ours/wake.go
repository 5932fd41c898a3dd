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

// An alarm is what the process is told that wakes another one.
type alarm struct {
	Job   side.Job
	Queue *mp.Queue[int64] // when each message was about to be put
}

var ringAlarm = mp.Register("wake a consumer", func(ctx context.Context, a alarm) (struct{}, error) {
	if err := pin(a.Job, 1); err != nil {
		return struct{}{}, err
	}
	for {
		gauge.LetSleep()
		if err := a.Queue.Put(ctx, cpu.Now()); errors.Is(err, mp.ErrClosed) {
			return struct{}{}, nil // the consumer has seen enough
		} else if err != nil {
			return struct{}{}, err
		}
	}
})

// wake is from before a message is put into an empty queue until the consumer, who
// sleeps in the kernel, has it.
func wake(job side.Job) (side.Sample, error) {
	ctx := context.Background()
	queue, err := mp.NewQueue[int64](1)
	if err != nil {
		return side.Sample{}, err
	}
	defer queue.Close()
	if _, err := ringAlarm.Start(ctx, alarm{job, queue}); err != nil {
		return side.Sample{}, err
	}
	if err := pin(job, 0); err != nil {
		return side.Sample{}, err
	}
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		since, err := queue.Get(ctx)
		return time.Duration(cpu.Now() - since), err
	})
}
