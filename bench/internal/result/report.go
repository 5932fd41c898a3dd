package result

import (
	"time"

	"github.com/mpgo/mp/bench/internal/gauge"
)

// A Report is one run of the bench.
type Report struct {
	Begun   time.Time
	Took    time.Duration
	Commit  string
	Machine string
	Passes  int
	Quick   bool
	Rows    []*Row
}

// slowest is the time from core to core and back that is slow in any case.
const slowest = 250

// SlowAbove is the time from core to core and back, in ns, above which a pass is
// marked as one in the machine's slow mode: half as much again as the median of this
// run, or 250 ns. (Not as the best: now and then both CPUs share a core for a moment.)
func (r *Report) SlowAbove() float64 {
	var latencies []float64
	for _, row := range r.Rows {
		latencies = append(latencies, row.Canary...)
	}
	if len(latencies) == 0 {
		return slowest
	}
	return min(1.5*gauge.Median(latencies), slowest)
}

// Missed are the rows that do not reach what they must, as far as can be told.
func (r *Report) Missed() (missed []*Row) {
	for _, row := range r.Rows {
		if v := row.Verdict(row.Must); v == Missed || v == Unknown {
			missed = append(missed, row)
		}
	}
	return missed
}
