package gauge

import (
	"time"

	"github.com/mpgo/mp/bench/internal/side"
)

// least is how often an event is brought about, however short the budget is.
const least = 3

// Events brings an event about again and again until the budget is used, and says
// how long the middle one took. The first does not count. once does what must be
// done before, and returns how long the event itself took.
func Events(budget time.Duration, once func() (time.Duration, error)) (side.Sample, error) {
	if _, err := once(); err != nil {
		return side.Sample{}, err
	}
	var took []float64
	for begin := time.Now(); len(took) < least || time.Since(begin) < budget; {
		t, err := once()
		if err != nil {
			return side.Sample{}, err
		}
		took = append(took, float64(t))
	}
	return side.Sample{Figure: Median(took), P99: Quantile(took, 0.99), Count: len(took)}, nil
}
