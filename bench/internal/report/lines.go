package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/mpgo/mp/bench/internal/result"
)

// A curve is the rows that differ in one number.
type curve struct {
	*result.Curve
	rows []*result.Row
}

// curvesOf sorts a report's rows: those of curves, and the others.
func curvesOf(r *result.Report) (curves []*curve, others []*result.Row) {
	for _, row := range r.Rows {
		if row.Curve == nil {
			others = append(others, row)
			continue
		}
		i := slices.IndexFunc(curves, func(c *curve) bool { return c.Name == row.Curve.Name })
		if i < 0 {
			i = len(curves)
			curves = append(curves, &curve{Curve: row.Curve})
		}
		curves[i].rows = append(curves[i].rows, row)
	}
	return curves, others
}

// sides are the names of those who have a point, each with its kind, mp and the
// limit first.
func (c *curve) sides() (names []*result.Side) {
	for _, row := range c.rows {
		for _, s := range inOrder(row) {
			known := slices.ContainsFunc(names, func(n *result.Side) bool { return n.Name == s.Name })
			if s.Measured() && !known {
				names = append(names, s)
			}
		}
	}
	return names
}

// points are a side's figures along the curve.
func (c *curve) points(name string) (points [][2]float64) {
	for _, row := range c.rows {
		for _, s := range row.Sides {
			if s.Name == name && s.Measured() && s.Median() > 0 {
				points = append(points, [2]float64{row.X, s.Median()})
			}
		}
	}
	return points
}

// Room in a line chart, in pixels.
const (
	linesWidth  = 640
	linesHeight = 340
	linesLeft   = 80
	linesRight  = 20
	linesTop    = 12
	linesBottom = 30
)

// colours is how many different colours the peers have.
const colours = 6

// class is the look of a side's line: peers get a colour each.
func class(s *result.Side, nth int) string {
	if s.Kind == result.Peer {
		return fmt.Sprintf("peer c%d", nth%colours)
	}
	return string(s.Kind)
}

// lines is a chart of one curve; both axes are logarithmic.
func lines(c *curve) template.HTML {
	d := newDrawing(linesWidth, linesHeight, c.Title)
	unit, sides := c.rows[0].Unit, c.sides()
	var xs, ys []float64
	for _, row := range c.rows {
		xs = append(xs, row.X)
	}
	for _, s := range sides {
		for _, p := range c.points(s.Name) {
			ys = append(ys, p[1])
		}
	}
	x := newLogScale(xs, linesLeft, linesWidth-linesRight)
	y := newLogScale(ys, linesHeight-linesBottom, linesTop)
	for _, row := range c.rows {
		d.line("grid", x.at(row.X), linesTop, x.at(row.X), linesHeight-linesBottom)
		d.text("tick", "middle", x.at(row.X), linesHeight-linesBottom+17, c.amount(row.X))
	}
	for _, tick := range y.decades() {
		d.line("grid", linesLeft, y.at(tick), linesWidth-linesRight, y.at(tick))
		d.text("tick", "end", linesLeft-8, y.at(tick)+4, unit.Fitting(tick))
	}
	for i, s := range slices.Backward(sides) { // mp and the limit lie on top
		c.plot(d, s, class(s, i), x, y)
	}
	return d.svg()
}

// plot draws a side's line.
func (c *curve) plot(d *drawing, s *result.Side, class string, x, y logScale) {
	points, unit := c.points(s.Name), c.rows[0].Unit
	at := make([][2]float64, len(points))
	for i, p := range points {
		at[i] = [2]float64{x.at(p[0]), y.at(p[1])}
	}
	d.path("plot "+class, at)
	for i, p := range points {
		d.dot(class, at[i][0], at[i][1], 3.5, fmt.Sprintf("%s, %s: %s", s.Name, c.amount(p[0]), unit.Fitting(p[1])))
	}
}

// amount is where a point lies: a number that is often a power of two.
func (c *curve) amount(x float64) string {
	text := ""
	switch n := int(x); {
	case n >= 1<<20 && n%(1<<20) == 0:
		text = fmt.Sprintf("%d Mi", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		text = fmt.Sprintf("%d Ki", n>>10)
	default:
		text = fmt.Sprintf("%d ", n)
	}
	return strings.TrimSpace(text + c.Unit)
}
