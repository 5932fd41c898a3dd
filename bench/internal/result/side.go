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
	Samples []*side.Sample // by pass; nil where it failed
	Missing string         // why it could not be measured at all
	Failed  string         // how it failed last
}

// Figures are the figures of the passes that went well.
func (s *Side) Figures() []float64 {
	return s.collect(func(x *side.Sample) float64 { return x.Figure })
}

func (s *Side) collect(of func(*side.Sample) float64) (all []float64) {
	for _, x := range s.Samples {
		if x != nil && !x.Never {
			all = append(all, of(x))
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
	for _, x := range s.Samples {
		if x != nil && x.Never {
			return true
		}
	}
	return false
}

// Note is what the side wants to have said.
func (s *Side) Note() string {
	for _, x := range s.Samples {
		if x != nil && x.Note != "" {
			return x.Note
		}
	}
	return ""
}

// RatioTo is how many times another side's figure this one's is: the middle of the
// passes' ratios, each of two figures of the same pass, because from one pass to
// the next the machine may have changed. It is not a number if there is no such
// pass.
func (s *Side) RatioTo(other *Side) float64 {
	var ratios []float64
	for i, mine := range s.Samples {
		if i >= len(other.Samples) {
			break
		}
		theirs := other.Samples[i]
		if mine != nil && theirs != nil && !mine.Never && !theirs.Never && theirs.Figure != 0 {
			ratios = append(ratios, mine.Figure/theirs.Figure)
		}
	}
	return medianOf(ratios)
}
