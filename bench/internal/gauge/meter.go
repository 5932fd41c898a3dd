package gauge

import (
	"errors"
	"time"

	"github.com/mpgo/mp/bench/internal/side"
)

// A Meter measures how many operations pass in a window of time, which opens when
// things have warmed up. Whoever does them ticks.
type Meter struct {
	burst      int // operations between two looks at the clock
	opens      time.Time
	closes     time.Time
	begin, end time.Time // of the window that was measured
	took       []float64 // of each burst
	pending    int       // operations since the last look at the clock
	counted    int       // operations in the window that was measured
}

// NewMeter begins to warm up, for a fourth of the budget. It looks at the clock
// once in so many operations.
func NewMeter(burst int, budget time.Duration) *Meter {
	opens := time.Now().Add(budget / 4)
	return &Meter{burst: burst, opens: opens, closes: opens.Add(budget)}
}

// Burst is after how many messages of a size to look at the clock: so many that it
// costs little, so few that a slow side looks often enough.
func Burst(size int) int { return min(max(1, 16<<10/max(size, 1)), 256) }

// Tick counts n operations. It reports whether the window is still to come or open:
// whoever decides how long to go on, goes on.
func (m *Meter) Tick(n int) bool {
	if m.pending += n; m.pending < m.burst {
		return true
	}
	return m.look(time.Now())
}

func (m *Meter) look(now time.Time) (goOn bool) {
	done := m.pending
	m.pending = 0
	switch {
	case now.Before(m.opens):
	case m.begin.IsZero():
		m.begin, m.end = now, now
	case m.end.Before(m.closes):
		if len(m.took) < most {
			m.took = append(m.took, float64(now.Sub(m.end))/float64(done))
		}
		m.end = now
		m.counted += done
	}
	return now.Before(m.closes)
}

// A Tally is what one process counted, and can be sent.
type Tally struct {
	Rate  float64 // operations a second
	Slow  float64 // the rate that 99 % of the bursts had at least
	Count int
}

// Tally is what was counted until now.
func (m *Meter) Tally() Tally {
	if m.counted == 0 {
		return Tally{}
	}
	return Tally{
		Rate:  float64(m.counted) / m.end.Sub(m.begin).Seconds(),
		Slow:  float64(time.Second) / Quantile(m.took, 0.99),
		Count: m.counted,
	}
}

// Sum is what several processes did together.
func Sum(tallies ...Tally) (sum Tally) {
	for _, t := range tallies {
		sum.Rate += t.Rate
		sum.Slow += t.Slow
		sum.Count += t.Count
	}
	return sum
}

var errTooSlow = errors.New("not one operation in the time there was")

// Throughput is the tally as operations a second.
func (t Tally) Throughput() (side.Sample, error) {
	if t.Count == 0 {
		return side.Sample{}, errTooSlow
	}
	return side.Sample{Figure: t.Rate, P99: t.Slow, Count: t.Count}, nil
}

// Cost is the tally as nanoseconds for each operation, whichever process did it.
func (t Tally) Cost() (side.Sample, error) {
	if t.Count == 0 {
		return side.Sample{}, errTooSlow
	}
	return side.Sample{Figure: float64(time.Second) / t.Rate, P99: float64(time.Second) / t.Slow, Count: t.Count}, nil
}
