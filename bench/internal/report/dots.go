package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"

	"github.com/mpgo/mp/bench/internal/result"
)

// Room in a dot chart, in pixels.
const (
	dotsWidth = 640
	dotsLeft  = 150 // names of the sides
	dotsRight = 100 // their figures
	dotsTop   = 8
	dotsRow   = 24
	dotsAxis  = 22
)

// dots is a chart of one row: a line for each side, with the middle of the passes,
// their spread, and the 99 % of single operations.
func dots(row *result.Row) template.HTML {
	sides := inOrder(row)
	bottom := float64(dotsTop + dotsRow*len(sides))
	d := newDrawing(dotsWidth, bottom+dotsAxis, row.Title)
	scale := newLogScale(spans(row, sides), dotsLeft, dotsWidth-dotsRight)
	axis(d, row.Unit, scale, bottom)
	goals(d, row, scale, bottom)
	for i, s := range sides {
		y := float64(dotsTop + dotsRow*i + dotsRow/2)
		d.text("name "+string(s.Kind), "end", dotsLeft-10, y+4, s.Name)
		d.text("figure "+string(s.Kind), "start", dotsWidth-dotsRight+10, y+4, figureAndUnit(row, s))
		if s.Measured() && s.Median() > 0 {
			dot(d, row, s, scale, y)
		}
	}
	return d.svg()
}

// inOrder are the row's sides: mp, its base, the limit, then the others, the best first.
func inOrder(row *result.Row) []*result.Side {
	sides := slices.Clone(row.Sides)
	rank := map[result.Kind]int{result.Ours: 0, result.Base: 1, result.Limit: 2, result.Scale: 4}
	of := func(s *result.Side) int {
		if r, ok := rank[s.Kind]; ok {
			return r
		}
		return 3
	}
	slices.SortStableFunc(sides, func(a, b *result.Side) int {
		switch {
		case of(a) != of(b):
			return of(a) - of(b)
		case a.Measured() != b.Measured():
			return map[bool]int{true: -1, false: 1}[a.Measured()]
		case row.Unit.Better(a.Median(), b.Median()):
			return -1
		case row.Unit.Better(b.Median(), a.Median()):
			return 1
		}
		return 0
	})
	return sides
}

// spans are all figures that the chart must have room for.
func spans(row *result.Row, sides []*result.Side) (figures []float64) {
	for _, s := range sides {
		if s.Measured() {
			low, high := s.Spread()
			figures = append(figures, low, high)
		}
		if p := s.P99(); !math.IsNaN(p) {
			figures = append(figures, p)
		}
	}
	for _, t := range []*result.Target{row.Must, row.Aim} {
		if at, ok := goal(row, t); ok {
			figures = append(figures, at)
		}
	}
	return figures
}

func axis(d *drawing, u result.Unit, scale logScale, bottom float64) {
	for _, tick := range scale.decades() {
		x := scale.at(tick)
		d.line("grid", x, dotsTop, x, bottom)
		d.text("tick", "middle", x, bottom+15, u.Fitting(tick))
	}
}

// goals draws what the row must reach and aims at.
func goals(d *drawing, row *result.Row, scale logScale, bottom float64) {
	draw := func(class string, t *result.Target) {
		if at, ok := goal(row, t); ok {
			d.line(class, scale.at(at), dotsTop-4, scale.at(at), bottom)
		}
	}
	draw("must", row.Must)
	draw("aim", row.Aim)
}

// goal is the figure that a target stands for here.
func goal(row *result.Row, t *result.Target) (at float64, ok bool) {
	switch {
	case t == nil:
		return 0, false
	case !t.Relative():
		return t.Value, true
	}
	standard := row.Standard()
	if standard == nil || !standard.Measured() {
		return 0, false
	}
	return t.Value * standard.Median(), true
}

func dot(d *drawing, row *result.Row, s *result.Side, scale logScale, y float64) {
	class := string(s.Kind)
	low, high := s.Spread()
	d.line("spread "+class, scale.at(low), y, scale.at(high), y)
	if p := s.P99(); p > 0 {
		d.line("p99 "+class, scale.at(p), y-5, scale.at(p), y+5)
	}
	u := row.Unit
	d.dot(class, scale.at(s.Median()), y, 5, fmt.Sprintf("%s: %s, passes %s to %s, p99 %s",
		s.Name, u.Fitting(s.Median()), u.Fitting(low), u.Fitting(high), u.Fitting(s.P99())))
}

func figureAndUnit(row *result.Row, s *result.Side) string {
	if s.Measured() {
		return row.Unit.Fitting(s.Median())
	}
	return figure(row, s)
}
