package result

import (
	"math"
	"time"
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
// marked as one in the machine's slow mode: half as much again as the best of this
// run, or 250 ns.
func (r *Report) SlowAbove() float64 {
	best := math.Inf(1)
	for _, row := range r.Rows {
		for _, latency := range row.Canary {
			best = min(best, latency)
		}
	}
	return min(1.5*best, slowest)
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
