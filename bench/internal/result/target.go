package result

import (
	"fmt"
	"math"
)

// A Target is what mp's figure must reach, or aims at.
type Target struct {
	Value float64 // a figure, or how many times that of a side of the same pass
	To    Kind    // that side; none for a figure
}

// Times is a target relative to the limit.
func Times(ratio float64) *Target { return &Target{ratio, Limit} }

// TimesBase is a target relative to the row's base.
func TimesBase(ratio float64) *Target { return &Target{ratio, Base} }

// Absolute is a target that is a figure.
func Absolute(figure float64) *Target { return &Target{Value: figure} }

// Relative reports whether it takes another side to tell whether it is reached.
func (t *Target) Relative() bool { return t.To != "" }

// Format says what is asked.
func (t *Target) Format(u Unit) string {
	if t == nil {
		return ""
	}
	sign := "≤"
	if u.Higher {
		sign = "≥"
	}
	if t.Relative() {
		return fmt.Sprintf("%s %s ×", sign, Digits(t.Value))
	}
	return fmt.Sprintf("%s %s %s", sign, u.Format(t.Value), u.Name)
}

// A Verdict is how a row stands to its target.
type Verdict string

// The verdicts.
const (
	Unasked Verdict = ""        // the row has no such target
	Reached Verdict = "reached" // mp's figure is as good, or better
	Missed  Verdict = "missed"
	Unknown Verdict = "unknown" // there is no figure, or nothing that can be compared with it
)

// Verdict compares mp's figure with a target.
func (r *Row) Verdict(t *Target) Verdict {
	if t == nil {
		return Unasked
	}
	got := r.compared(t)
	switch {
	case math.IsNaN(got):
		return Unknown
	case got == t.Value || r.Unit.Better(got, t.Value):
		return Reached
	}
	return Missed
}

// compared is what there is to compare with the target.
func (r *Row) compared(t *Target) float64 {
	ours := r.Ours()
	switch {
	case ours == nil:
		return math.NaN()
	case !t.Relative():
		return ours.Median()
	}
	other := r.first(t.To)
	if other == nil {
		return math.NaN()
	}
	if ours.MovedMostly(other) {
		return math.NaN() // the other passes say too little
	}
	ratio, _ := ours.RatioTo(other)
	return ratio
}
