package ours

import (
	"context"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// A picture is what a worker hands back: it goes nowhere, only its handle does.
type picture struct{ Pixels *mp.Array[byte] }

var makePicture = mp.Register("make a picture", func(_ context.Context, size int) (picture, error) {
	pixels, err := mp.NewArray[byte](size)
	if err != nil {
		return picture{}, err
	}
	gauge.Fill(pixels.Slice(), 7)
	return picture{pixels}, nil
})

func bitmap(job side.Job) (side.Sample, error) {
	ctx := context.Background()
	var opts []mp.PoolOption
	if job.Awake {
		opts = append(opts, mp.WithSpin(time.Second))
	}
	pool, err := newPinnedPool(ctx, job, opts...)
	if err != nil {
		return side.Sample{}, err
	}
	defer pool.Stop()
	return gauge.Events(job.Budget, func() (time.Duration, error) {
		p, err := makePicture.Call(ctx, pool, job.Size)
		if err != nil {
			return 0, err
		}
		took := gauge.SinceFilled(p.Pixels.Slice())
		return took, p.Pixels.Free()
	})
}
