package result

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mpgo/mp/bench/internal/side"
)

// gave is a side with a figure for each pass; NaN where it failed.
func gave(name string, kind Kind, figures ...float64) *Side {
	s := &Side{Name: name, Kind: kind}
	for pass, f := range figures {
		if math.IsNaN(f) {
			s.Record(pass, Pass{})
		} else {
			s.Record(pass, Pass{Sample: &side.Sample{Figure: f, P99: 2 * f}})
		}
	}
	return s
}

// at says where the CPUs were in each pass, before and after.
func (s *Side) at(apart ...float64) *Side {
	for pass := range s.Passes {
		s.Passes[pass].Apart = Apart{apart[2*pass], apart[2*pass+1]}
	}
	return s
}

var failed = math.NaN()

func ratio(s, to *Side) float64 {
	x, _ := s.RatioTo(to)
	return x
}

func TestARatioIsThatOfFiguresOfTheSamePass(t *testing.T) {
	// The machine is four times slower in the second and third pass: the medians
	// would say 4, no pass does.
	ours := gave("mp", Ours, 150, 600, 600)
	limit := gave("C", Limit, 100, 400, 100)
	limit.Passes[2].Figure = 400
	assert.Equal(t, 1.5, ratio(ours, limit))
}

func TestARatioLeavesPassesOutThatFailed(t *testing.T) {
	ours, limit := gave("mp", Ours, 1, failed, 3, 4), gave("C", Limit, failed, 1, 1, 2)
	assert.Equal(t, 2.5, ratio(ours, limit))
	assert.True(t, math.IsNaN(ratio(ours, gave("C", Limit, failed))))
	assert.True(t, math.IsNaN(ratio(ours, gave("C", Limit))))
}

func TestAPassInWhichTheCPUsWereMovedTellsNoRatio(t *testing.T) {
	limit := gave("C", Limit, 100, 100, 400).at(120, 130, 120, 120, 500, 520)
	for name, c := range map[string]struct {
		ours  *Side
		ratio float64
		moved int
	}{
		"never":              {gave("mp", Ours, 150, 160, 680).at(130, 110, 120, 120, 520, 480), 1.6, 0},
		"before mp":          {gave("mp", Ours, 150, 600, 680).at(130, 110, 500, 500, 520, 480), 1.6, 1},
		"while mp ran":       {gave("mp", Ours, 150, 300, 680).at(130, 110, 120, 500, 520, 480), 1.6, 1},
		"for mp only":        {gave("mp", Ours, 150, 130, 680).at(130, 110, 55, 55, 520, 480), 1.6, 1},
		"and it failed once": {gave("mp", Ours, failed, 600, 680).at(130, 110, 500, 500, 520, 480), 1.7, 1},
	} {
		t.Run(name, func(t *testing.T) {
			row := &Row{Unit: Nanoseconds, Must: Times(1.7), Sides: []*Side{limit, c.ours}}
			assert.InDelta(t, c.ratio, ratio(c.ours, limit), 1e-9)
			moved, all := row.Moved()
			assert.Equal(t, c.moved, moved)
			assert.Equal(t, len(c.ours.Figures()), all)
			assert.Equal(t, Reached, row.Verdict(row.Must))
		})
	}
}

func TestMostPassesMustCount(t *testing.T) {
	limit := gave("C", Limit, 100, 100, 100).at(120, 120, 120, 120, 120, 120)
	ours := gave("mp", Ours, 150, 600, 600).at(120, 120, 500, 500, 500, 500)
	row := &Row{Unit: Nanoseconds, Must: Times(1.7), Sides: []*Side{limit, ours}}
	assert.Equal(t, Unknown, row.Verdict(row.Must))
	ours.at(120, 120, 120, 120, 500, 500)
	assert.Equal(t, Missed, row.Verdict(row.Must))
	ours.Passes[1].Figure = 170
	assert.Equal(t, Reached, row.Verdict(row.Must))
}

func TestOnlyARatioCanBeMoved(t *testing.T) {
	here, there := gave("mp", Ours, 1).at(100, 100), gave("C", Limit, 1).at(100, 500)
	assert.True(t, here.Moved(there, 0))
	assert.False(t, here.Moved(gave("C", Limit, 1).at(100, 100), 0))
	assert.False(t, here.Moved(gave("C", Limit, failed).at(500, 500), 0), "it failed")
	assert.False(t, here.Moved(gave("C", Limit), 0), "it is missing")
	assert.False(t, gave("mp", Ours, 1).Moved(gave("C", Limit, 2), 0), "there is one CPU")
}

func TestWhereTheCPUsWereAlwaysMovedNothingIsReached(t *testing.T) {
	limit, ours := gave("C", Limit, 100, 400).at(120, 120, 500, 500), gave("mp", Ours, 100, 100).at(120, 500, 120, 120)
	row := &Row{Unit: Nanoseconds, Must: Times(1.8), Sides: []*Side{limit, ours}}
	assert.Equal(t, Unknown, row.Verdict(row.Must))
	rough, isRough := ours.RatioTo(limit)
	assert.InDelta(t, 0.625, rough, 1e-9, "which is shown nevertheless")
	assert.True(t, isRough)
	assert.Equal(t, Reached, row.Verdict(Absolute(200)), "what is not compared needs no limit")
}

func TestWhatIsMeasuredAgainTakesTheFirstOnesPlace(t *testing.T) {
	s := gave("mp", Ours, 1, 2).at(100, 500, 100, 100)
	row := &Row{Sides: []*Side{s, gave("C", Limit, 1, 1).at(100, 100, 100, 100)}}
	s.Record(0, Pass{Sample: &side.Sample{Figure: 3}, Apart: Apart{100, 100}})
	s.Record(0, Pass{Apart: Apart{500, 500}})
	assert.Equal(t, []float64{3, 2}, s.Figures(), "but not the place of a figure if it fails")
	moved, all := row.Moved()
	assert.Equal(t, []int{0, 2, 2}, []int{moved, all, row.Again()})
}

func TestASideSaysItsMedianAndSpread(t *testing.T) {
	s := gave("mp", Ours, 3, failed, 1, 2)
	low, high := s.Spread()
	assert.Equal(t, []float64{2, 1, 3, 4}, []float64{s.Median(), low, high, s.P99()})

	none := gave("mp", Ours, failed)
	assert.False(t, none.Measured())
	assert.True(t, math.IsNaN(none.Median()))
}

func TestWhatNeverHappensIsNoFigure(t *testing.T) {
	s := &Side{Passes: []Pass{{Sample: &side.Sample{Never: true, Note: "it waits for ever"}}}}
	assert.True(t, s.Never())
	assert.False(t, s.Measured())
	assert.Equal(t, "it waits for ever", s.Note())
}

func TestTheBestPeerDependsOnTheUnit(t *testing.T) {
	sides := []*Side{
		gave("mp", Ours, 1), gave("C", Limit, 1), gave("channel", Scale, 1),
		gave("slow", Peer, 30), gave("fast", Peer, 20), gave("broken", Peer, failed),
	}
	assert.Equal(t, "fast", (&Row{Unit: Nanoseconds, Sides: sides}).BestPeer().Name)
	assert.Equal(t, "slow", (&Row{Unit: Millions, Sides: sides}).BestPeer().Name)
	assert.Nil(t, (&Row{Unit: Millions}).BestPeer())
}

func TestARowWithABaseIsMeasuredByThat(t *testing.T) {
	limit, base := gave("C", Limit, 100, 100), gave("queue/1-1", Base, 10, 20)
	row := &Row{Unit: Millions, Must: TimesBase(2), Sides: []*Side{limit, base, gave("mp", Ours, 20, 40)}}
	assert.Same(t, base, row.Standard())
	assert.Equal(t, Reached, row.Verdict(row.Must))
	assert.Equal(t, Missed, row.Verdict(TimesBase(2.1)))
	assert.Equal(t, Missed, row.Verdict(Times(2)), "relative to the limit, which is another thing")

	without := &Row{Unit: Millions, Sides: []*Side{limit, gave("mp", Ours, 20)}}
	assert.Same(t, limit, without.Standard())
	assert.Equal(t, Unknown, without.Verdict(TimesBase(2)))
}

func TestVerdicts(t *testing.T) {
	limit := gave("C", Limit, 100)
	for name, c := range map[string]struct {
		unit   Unit
		target *Target
		ours   *Side
		limit  *Side
		want   Verdict
	}{
		"no target":               {Nanoseconds, nil, gave("mp", Ours, 1), limit, Unasked},
		"less time than asked":    {Nanoseconds, Times(1.8), gave("mp", Ours, 170), limit, Reached},
		"just what is asked":      {Nanoseconds, Times(1.8), gave("mp", Ours, 180), limit, Reached},
		"more time than asked":    {Nanoseconds, Times(1.8), gave("mp", Ours, 190), limit, Missed},
		"higher rate than asked":  {Millions, Times(0.5), gave("mp", Ours, 60), limit, Reached},
		"lower rate than asked":   {Millions, Times(0.5), gave("mp", Ours, 40), limit, Missed},
		"absolute, reached":       {Nanoseconds, Absolute(1000), gave("mp", Ours, 900), nil, Reached},
		"absolute, missed":        {Nanoseconds, Absolute(1000), gave("mp", Ours, 1100), nil, Missed},
		"no limit":                {Nanoseconds, Times(1.8), gave("mp", Ours, 1), nil, Unknown},
		"a limit without figures": {Nanoseconds, Times(1.8), gave("mp", Ours, 1), gave("C", Limit), Unknown},
		"mp failed":               {Nanoseconds, Absolute(1000), gave("mp", Ours, failed), limit, Unknown},
		"mp is not there":         {Nanoseconds, Absolute(1000), nil, limit, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			row := &Row{Unit: c.unit, Must: c.target}
			for _, s := range []*Side{c.ours, c.limit} {
				if s != nil {
					row.Sides = append(row.Sides, s)
				}
			}
			assert.Equal(t, c.want, row.Verdict(row.Must))
			missed := (&Report{Rows: []*Row{row}}).Missed()
			assert.Equal(t, c.want == Missed || c.want == Unknown, len(missed) == 1)
		})
	}
}

func TestPassesInTheSlowModeAreKnownByTheMedian(t *testing.T) {
	row := &Row{Canary: []float64{50, 100, 140, 160, 400}} // on one core, on two, on two far apart
	r := &Report{Rows: []*Row{row}}
	assert.Equal(t, 210.0, r.SlowAbove())
	assert.Equal(t, 1, row.SlowPasses(r.SlowAbove()))

	allSlow := &Report{Rows: []*Row{{Canary: []float64{400, 410}}}}
	assert.Equal(t, 2, allSlow.Rows[0].SlowPasses(allSlow.SlowAbove()), "also if none was fast")
}

func TestFormats(t *testing.T) {
	for figure, want := range map[float64]string{
		0: "0", 0.00123: "0.0012", 0.0995: "0.10", 1: "1.00", 9.99: "9.99", 9.999: "10.0", 12.34: "12.3",
		99.96: "100", 123.4: "123", 1e6: "1000000", math.NaN(): "–", math.Inf(1): "–",
	} {
		assert.Equal(t, want, Digits(figure))
	}
	assert.Equal(t, "1.50", Microseconds.Format(1500))
	assert.Equal(t, "1.50 µs", Nanoseconds.Fitting(1500))
	assert.Equal(t, "0.50 ns", Milliseconds.Fitting(0.5))
	assert.Equal(t, "1.00 ms", Nanoseconds.Fitting(1e6))
	assert.Equal(t, "2.00 M/s", Thousands.Fitting(2e6))
	assert.Equal(t, "5.00 threads", Threads.Fitting(5))
	assert.Equal(t, "≥ 500 k/s", Absolute(500e3).Format(Thousands))
	assert.Equal(t, "≤ 1.80 ×", Times(1.8).Format(Nanoseconds))
}
