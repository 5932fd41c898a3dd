package result

import (
	"math"

	"github.com/mpgo/mp/bench/internal/gauge"
	"github.com/mpgo/mp/bench/internal/side"
)

// A Kind is what a side is to the comparison.
type Kind string

// The kinds of side.
const (
	Limit Kind = "limit" // what the machine can do
	Peer  Kind = "peer"  // what users would pick otherwise
	Scale Kind = "scale" // to tell the scale: within one process
	Ours  Kind = "mp"
	Base  Kind = "base" // mp at something simpler, that the row is to be compared with
)

// A Side is what one side of a row gave.
type Side struct {
	Name    string
	Kind    Kind
	Passes  []Pass
	Missing string // why it could not be measured at all
	Failed  string // how it failed last
}

// A Pass is what one pass of the bench gave of a side.
type Pass struct {
	*side.Sample // nil where it failed
	Apart
	Again int // how often it had been measured before, with the CPUs moved
}

// figure reports whether there is one.
func (p Pass) figure() bool { return p.Sample != nil && !p.Never }

// Figures are the figures of the passes that went well.
func (s *Side) Figures() []float64 {
	return s.collect(func(x *side.Sample) float64 { return x.Figure })
}

func (s *Side) collect(of func(*side.Sample) float64) (all []float64) {
	for _, p := range s.Passes {
		if p.figure() {
			all = append(all, of(p.Sample))
		}
	}
	return all
}

// Measured reports whether there is a figure.
func (s *Side) Measured() bool { return len(s.Figures()) > 0 }

// Median is the middle of the passes' figures; not a number if there are none.
func (s *Side) Median() float64 { return medianOf(s.Figures()) }

func medianOf(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return gauge.Median(values)
}

// P99 is the middle of what 99 % of single operations did not exceed in each pass.
func (s *Side) P99() float64 {
	return medianOf(s.collect(func(x *side.Sample) float64 { return x.P99 }))
}

// Spread is the lowest and the highest figure of all passes.
func (s *Side) Spread() (low, high float64) {
	figures := s.Figures()
	if len(figures) == 0 {
		return math.NaN(), math.NaN()
	}
	return gauge.Quantile(figures, 0), gauge.Quantile(figures, 1)
}

// Never reports whether the side says that what is measured never happens.
func (s *Side) Never() bool {
	for _, p := range s.Passes {
		if p.Sample != nil && p.Never {
			return true
		}
	}
	return false
}

// Note is what the side wants to have said.
func (s *Side) Note() string {
	for _, p := range s.Passes {
		if p.Sample != nil && p.Note != "" {
			return p.Note
		}
	}
	return ""
}

// Record puts down what the next pass gave, or what an earlier one gave in place of what it had
// given before. A failure does not take a figure's place.
func (s *Side) Record(pass int, p Pass) {
	if pass == len(s.Passes) {
		s.Passes = append(s.Passes, p)
		return
	}
	if old := &s.Passes[pass]; p.Sample != nil {
		p.Again = old.Again + 1
		*old = p
	} else {
		old.Again++
	}
}

// RatioTo is how many times another side's figure this one's is: the middle of the
// passes' ratios, each of two figures of the same pass, because from one pass to
// the next the machine may have changed. Passes in which the CPUs were moved between
// the two do not count. If no pass counts, all do, and it is rough. It is not a number if
// there is no pass at all.
func (s *Side) RatioTo(other *Side) (ratio float64, rough bool) {
	var steadily, all []float64
	for pass := range s.Passes {
		if !s.both(other, pass) {
			continue
		}
		ratio := s.Passes[pass].Figure / other.Passes[pass].Figure
		all = append(all, ratio)
		if !s.Moved(other, pass) {
			steadily = append(steadily, ratio)
		}
	}
	if len(steadily) > 0 {
		return medianOf(steadily), false
	}
	return medianOf(all), true
}

// Moved reports whether there is a ratio in a pass that does not count: the CPUs were moved between
// the two sides.
func (s *Side) Moved(other *Side, pass int) bool {
	return s.both(other, pass) && !alike(s.Passes[pass].Apart, other.Passes[pass].Apart)
}

// MovedPasses counts those, out of the passes in which there is a ratio.
func (s *Side) MovedPasses(other *Side) (moved, all int) {
	for pass := range s.Passes {
		if s.both(other, pass) {
			all++
		}
		if s.Moved(other, pass) {
			moved++
		}
	}
	return moved, all
}

// MovedMostly reports whether those are more than half.
func (s *Side) MovedMostly(other *Side) bool {
	moved, all := s.MovedPasses(other)
	return 2*moved > all
}

// both reports whether there is a ratio in a pass.
func (s *Side) both(other *Side, pass int) bool {
	return pass < len(s.Passes) && pass < len(other.Passes) && s.Passes[pass].figure() &&
		other.Passes[pass].figure() && other.Passes[pass].Figure != 0
}
