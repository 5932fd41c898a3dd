// Package gauge measures how long an operation takes and how often it can be done,
// in the same way for every side that is written in Go.
package gauge

import "slices"

// Quantile is the value that a part q of values does not exceed; 0 of none. It
// interpolates between neighbours. The values need not be sorted.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := min(int(at), len(sorted)-1)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Median is the value in the middle; 0 of none.
func Median(values []float64) float64 { return Quantile(values, 0.5) }
