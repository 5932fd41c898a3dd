package main

import (
	"context"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

var greet = mp.Register("greet", func(_ context.Context, answer *mp.Event) (struct{}, error) {
	return struct{}{}, answer.Set()
})

// startChild is from Start until the child has set an event.
func startChild(job side.Job) (side.Sample, error) {
	ctx := context.Background()
	answer, err := mp.NewEvent()
	if err != nil {
		return side.Sample{}, err
	}
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		begin := time.Now()
		p, err := greet.Start(ctx, answer)
		if err != nil {
			return 0, err
		}
		if err := answer.Wait(ctx); err != nil {
			return 0, err
		}
		took := time.Since(begin)
		if err := answer.Clear(); err != nil {
			return 0, err
		}
		return took, p.Wait(ctx)
	})
}
