package gauge

import (
	"time"

	"github.com/mpgo/mp/bench/internal/side"
)

// An Operation is done again and again.
type Operation interface {
	// Do does it n times. The loop is within, so that it costs every side the same.
	Do(n int) error
}

// A Func is an Operation that is slow enough for the loop to be here.
type Func func() error

// Do calls f n times.
func (f Func) Do(n int) error {
	for range n {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

const (
	// burst is how long operations are done without a look at the clock, which
	// itself takes about 50 ns.
	burst = 20 * time.Microsecond
	// most bounds how many samples are kept.
	most = 1 << 20
)

// Latency measures how long an operation takes: the median of bursts, and of single
// operations what 99 % of them do not exceed, where what the clock takes is taken
// off. It warms up for a fifth of the budget.
func Latency(op Operation, budget time.Duration) (side.Sample, error) {
	cost, err := warmUp(op, budget/5)
	if err != nil {
		return side.Sample{}, err
	}
	n := max(1, int(burst/max(cost, 1)))
	bursts, err := repeat(op, n, budget*3/5)
	if err != nil {
		return side.Sample{}, err
	}
	singles := bursts
	if n > 1 {
		if singles, err = repeat(op, 1, budget/5); err != nil {
			return side.Sample{}, err
		}
	}
	return side.Sample{
		Figure: Median(bursts) / float64(n),
		P99:    max(Quantile(singles, 0.99)-clockCost(), 0),
		Count:  n * len(bursts),
	}, nil
}

// warmUp does the operation in growing bursts, and returns what it took at the end.
func warmUp(op Operation, budget time.Duration) (cost time.Duration, err error) {
	end := time.Now().Add(budget)
	for n := 1; ; n = min(2*n, most) {
		begin := time.Now()
		if err := op.Do(n); err != nil {
			return 0, err
		}
		took := time.Since(begin)
		if time.Now().After(end) {
			return took / time.Duration(n), nil
		}
		if took > budget/4 { // the next one is no longer than this one was
			n = (n + 1) / 2
		}
	}
}

// repeat measures bursts of n operations.
func repeat(op Operation, n int, budget time.Duration) (took []float64, err error) {
	begin := time.Now()
	for last := begin; last.Sub(begin) < budget && len(took) < most || len(took) == 0; {
		if err := op.Do(n); err != nil {
			return nil, err
		}
		now := time.Now()
		took = append(took, float64(now.Sub(last)))
		last = now
	}
	return took, nil
}

// clockCost is how long a look at the clock takes.
func clockCost() float64 {
	took, _ := repeat(Func(func() error { return nil }), 1, time.Millisecond)
	return Median(took)
}
