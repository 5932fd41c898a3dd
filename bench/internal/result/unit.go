// Package result is what the bench found out: the figures of each side of each row,
// how they compare, and whether they reach what is asked of mp.
package result

import (
	"fmt"
	"math"
)

// A Unit is what the figures of a row are told in.
type Unit struct {
	Name   string
	Size   float64 // nanoseconds, bytes, or things a second, that one of it is
	Higher bool    // more is better
}

// The units.
var (
	Nanoseconds  = Unit{"ns", 1, false}
	Microseconds = Unit{"µs", 1e3, false}
	Milliseconds = Unit{"ms", 1e6, false}
	Millions     = Unit{"M/s", 1e6, true}
	Thousands    = Unit{"k/s", 1e3, true}
	Gigabytes    = Unit{"GB/s", 1e9, true}
	Threads      = Unit{"threads", 1, false}
	Percent      = Unit{"%", 0.01, false}
	Bytes        = Unit{"B", 1, false}
)

// Of is a figure in the unit.
func (u Unit) Of(figure float64) float64 { return figure / u.Size }

// Better reports whether one figure is better than another.
func (u Unit) Better(a, b float64) bool {
	if u.Higher {
		return a > b
	}
	return a < b
}

// Format is a figure in the unit, with about three digits, without the unit's name.
func (u Unit) Format(figure float64) string { return Digits(u.Of(figure)) }

// Digits is a number with about three digits.
func Digits(x float64) string {
	abs := math.Abs(x)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "–"
	case abs >= 99.95 || x == 0:
		return fmt.Sprintf("%.0f", x)
	case abs >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case abs >= 0.0995:
		return fmt.Sprintf("%.2f", x)
	default:
		return fmt.Sprintf("%.2g", x)
	}
}
