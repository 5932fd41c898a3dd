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
	family []Unit  // of the same quantity, the smallest first; only this one if empty
}

var (
	times     = []Unit{{Name: "ns", Size: 1}, {Name: "µs", Size: 1e3}, {Name: "ms", Size: 1e6}, {Name: "s", Size: 1e9}}
	rates     = []Unit{{Name: "/s", Size: 1}, {Name: "k/s", Size: 1e3}, {Name: "M/s", Size: 1e6}, {Name: "G/s", Size: 1e9}}
	byteRates = []Unit{{Name: "kB/s", Size: 1e3}, {Name: "MB/s", Size: 1e6}, {Name: "GB/s", Size: 1e9}}
)

// The units.
var (
	Nanoseconds  = Unit{"ns", 1, false, times}
	Microseconds = Unit{"µs", 1e3, false, times}
	Milliseconds = Unit{"ms", 1e6, false, times}
	Millions     = Unit{"M/s", 1e6, true, rates}
	Thousands    = Unit{"k/s", 1e3, true, rates}
	Gigabytes    = Unit{"GB/s", 1e9, true, byteRates}
	Threads      = Unit{"threads", 1, false, nil}
	Percent      = Unit{"%", 0.01, false, nil}
	Bytes        = Unit{"B", 1, false, nil}
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

// Fitting is a figure with the unit of the family that suits it.
func (u Unit) Fitting(figure float64) string {
	best := u
	for i, other := range u.family {
		if i == 0 || figure >= other.Size*0.9995 {
			best = other
		}
	}
	return best.Format(figure) + " " + best.Name
}

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
