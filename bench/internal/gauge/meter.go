package gauge

import (
	"math"
	"time"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/side"
)

// A Meter measures how many operations pass in a window of time. Whoever does them
// ticks. Of a burst that is only partly in the window that part counts, so that
// what several processes count can be added up, also if the system lets some of
// them wait for a while.
type Meter struct {
	burst         int // operations between two looks at the clock
	opens, closes time.Time
	last          time.Time // look at the clock
	pending       int       // operations since then
	counted       float64   // operations in the window
	took          []float64 // ns for one, of each burst in the window
}

// NewMeter measures in a window of the length of the budget, after things have
// warmed up for a fourth of that. It looks at the clock once in so many operations.
func NewMeter(burst int, budget time.Duration) *Meter {
	return newMeter(burst, budget, time.Now().Add(budget/4))
}

// NewMeterAt has the window open when the shared clock says so, see Opening.
func NewMeterAt(burst int, budget time.Duration, opens int64) *Meter {
	return newMeter(burst, budget, time.Now().Add(time.Duration(opens-cpu.Now())))
}

func newMeter(burst int, budget time.Duration, opens time.Time) *Meter {
	return &Meter{burst: burst, opens: opens, closes: opens.Add(budget), last: time.Now()}
}

// Opening is when the window of several processes is to open that are ready now.
func Opening(budget time.Duration) int64 { return cpu.Now() + int64(budget/4) }

// Burst is after how many messages of a size to look at the clock: so many that it
// costs little, so few that a slow side looks often enough.
func Burst(size int) int { return min(max(1, 16<<10/max(size, 1)), 256) }

// Tick counts n operations. It reports whether the window is still to come or open:
// whoever decides how long to go on, goes on.
func (m *Meter) Tick(n int) (goOn bool) {
	m.pending += n
	return m.pending < m.burst || m.look()
}

// look ends a burst. It is apart so that Tick is no call, as it is none in the C program.
func (m *Meter) look() (goOn bool) { return m.lookAt(time.Now()) }

func (m *Meter) lookAt(now time.Time) (goOn bool) {
	begin, done := m.last, float64(m.pending)
	m.last, m.pending = now, 0
	inside := earlier(now, m.closes).Sub(later(begin, m.opens))
	if inside > 0 {
		took := now.Sub(begin)
		m.counted += done * float64(inside) / float64(took)
		if len(m.took) < most {
			m.took = append(m.took, float64(took)/done)
		}
	}
	return now.Before(m.closes)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// A Tally is what one process counted, and can be sent.
type Tally struct {
	Rate  float64 // operations a second
	Slow  float64 // the rate that 99 % of the bursts had at least
	Count float64
}

// Tally is what was counted until now.
func (m *Meter) Tally() Tally {
	if m.counted == 0 {
		return Tally{}
	}
	return Tally{
		Rate:  m.counted / m.closes.Sub(m.opens).Seconds(),
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

// Throughput is the tally as operations a second. Of nothing it is a sample of no
// operations.
func (t Tally) Throughput() side.Sample {
	if t.Count == 0 {
		return side.Sample{}
	}
	return side.Sample{Figure: t.Rate, P99: t.Slow, Count: int(math.Ceil(t.Count))}
}

// Cost is the tally as nanoseconds for each operation, whichever process did it.
func (t Tally) Cost() side.Sample {
	if t.Count == 0 {
		return side.Sample{}
	}
	return side.Sample{Figure: float64(time.Second) / t.Rate, P99: float64(time.Second) / t.Slow, Count: int(math.Ceil(t.Count))}
}
