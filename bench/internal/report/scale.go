package report

import "math"

// A logScale maps figures to pixels so that each power of ten takes as much room.
type logScale struct {
	low, high float64 // figures at the ends
	from, to  float64 // pixels at the ends
}

// newLogScale spans the figures, which are positive, with a little room at the ends.
func newLogScale(figures []float64, from, to float64) logScale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, f := range figures {
		if f > 0 && !math.IsInf(f, 0) {
			low, high = min(low, f), max(high, f)
		}
	}
	if low > high {
		low, high = 1, 10
	}
	const room = 1.3
	return logScale{low / room, high * room, from, to}
}

// at is where a figure lies, within the ends.
func (s logScale) at(figure float64) float64 {
	part := math.Log(figure/s.low) / math.Log(s.high/s.low)
	return s.from + min(max(part, 0), 1)*(s.to-s.from)
}

// decades are the powers of ten on the scale; where there are fewer than two, also
// twice and five times those.
func (s logScale) decades() (ticks []float64) {
	ticks = s.ticks(1)
	if len(ticks) < 2 {
		ticks = s.ticks(1, 2, 5)
	}
	return ticks
}

func (s logScale) ticks(digits ...float64) (ticks []float64) {
	for exponent := math.Floor(math.Log10(s.low)); exponent <= math.Log10(s.high); exponent++ {
		for _, d := range digits {
			if tick := d * math.Pow(10, exponent); tick >= s.low && tick <= s.high {
				ticks = append(ticks, tick)
			}
		}
	}
	return ticks
}
