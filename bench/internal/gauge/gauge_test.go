package gauge

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuantiles(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	assert.Equal(t, 1.0, Quantile(values, 0))
	assert.Equal(t, 3.0, Median(values))
	assert.Equal(t, 5.0, Quantile(values, 1))
	assert.InDelta(t, 4.96, Quantile(values, 0.99), 1e-9)
	assert.Equal(t, []float64{5, 1, 4, 2, 3}, values, "it must not sort the caller's")

	assert.Equal(t, 1.5, Median([]float64{2, 1}))
	assert.Equal(t, 7.0, Quantile([]float64{7}, 0.99))
	assert.Zero(t, Median(nil))
}

// at is a time on the clock of these tests.
func at(ms float64) time.Time {
	return time.Unix(0, 0).Add(time.Duration(ms * float64(time.Millisecond)))
}

// metered is a meter from 0 on whose window is from 10 to 20 ms.
func metered() *Meter {
	return &Meter{burst: 1, opens: at(10), closes: at(20), last: at(0)}
}

// ends ends a burst of n operations.
func (m *Meter) ends(n int, ms float64) bool {
	m.pending = n
	return m.lookAt(at(ms))
}

func TestAMeterCountsWhatIsInItsWindow(t *testing.T) {
	m := metered()
	assert.True(t, m.ends(100, 8), "not open yet")
	assert.True(t, m.ends(4, 12), "half of it is in the window")
	assert.True(t, m.ends(10, 18))
	assert.False(t, m.ends(8, 22), "half of it is in the window")
	assert.False(t, m.ends(100, 24), "closed")

	tally := m.Tally()
	assert.InDelta(t, 2+10+4, tally.Count, 1e-9)
	assert.InDelta(t, 16/0.010, tally.Rate, 1e-6)
}

func TestAMeterCountsAPartOfABurstThatIsLongerThanItsWindow(t *testing.T) {
	m := metered()
	assert.False(t, m.ends(1, 100))
	assert.InDelta(t, 0.1, m.Tally().Count, 1e-9)
	assert.InDelta(t, 10, m.Tally().Rate, 1e-6)
}

func TestWhatWaitsForItsTurnDoesNotCountAsFast(t *testing.T) {
	// Two processes that share a CPU: each has half of the window.
	one, other := metered(), metered()
	one.ends(0, 10)
	other.ends(0, 15)
	one.ends(50, 15)
	other.ends(50, 20)
	sum := Sum(one.Tally(), other.Tally())
	assert.InDelta(t, 100/0.010, sum.Rate, 1e-6)
}

func TestATallyOfNothingIsASampleOfNoOperations(t *testing.T) {
	assert.Zero(t, metered().Tally().Throughput())
	assert.Zero(t, Sum().Cost())
}

func TestCostAndThroughputAreTheSameFigure(t *testing.T) {
	tally := Tally{Rate: 4e6, Slow: 1e6, Count: 100}
	rate, cost := tally.Throughput(), tally.Cost()
	assert.Equal(t, 4e6, rate.Figure)
	assert.Equal(t, 250.0, cost.Figure)
	assert.Equal(t, 1000.0, cost.P99)
}

// A recorder counts how often it was done.
type recorder struct{ n, calls int }

func (r *recorder) Do(n int) error {
	if n < 1 {
		return errors.New("done less than once")
	}
	r.n += n
	r.calls++
	return nil
}

func TestLatencyDoesTheOperationInBursts(t *testing.T) {
	r := new(recorder)
	sample, err := Latency(r, 5*time.Millisecond)
	require.NoError(t, err)
	assert.Positive(t, sample.Figure)
	assert.GreaterOrEqual(t, r.n, sample.Count)
	assert.Greater(t, r.n, r.calls)
}

func TestLatencyOfWhatTakesLongerThanItsBudget(t *testing.T) {
	for range 20 {
		_, err := Latency(Func(func() error {
			time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
			return nil
		}), time.Millisecond)
		require.NoError(t, err)
	}
}

func TestAnErrorEndsTheMeasuring(t *testing.T) {
	oops := errors.New("oops")
	n := 0
	fail := Func(func() error {
		if n++; n > 1000 {
			return oops
		}
		return nil
	})
	_, err := Latency(fail, time.Hour)
	assert.ErrorIs(t, err, oops)
	_, err = Events(time.Hour, func() (time.Duration, error) { return 0, oops })
	assert.ErrorIs(t, err, oops)
}

func TestEventsLeaveTheFirstOut(t *testing.T) {
	took := time.Hour
	sample, err := Events(time.Nanosecond, func() (time.Duration, error) {
		defer func() { took = time.Second }()
		return took, nil
	})
	require.NoError(t, err)
	assert.Equal(t, float64(time.Second), sample.Figure)
	assert.Equal(t, float64(time.Second), sample.P99)
	assert.Equal(t, least, sample.Count)
}
