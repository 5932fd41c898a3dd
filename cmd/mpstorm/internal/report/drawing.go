package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// A drawing is an SVG picture that is being made.
type drawing struct{ strings.Builder }

func newDrawing(width, height float64, label string) *drawing {
	d := new(drawing)
	fmt.Fprintf(d, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, width, height, template.HTMLEscapeString(label))
	return d
}

// svg is the finished picture.
func (d *drawing) svg() template.HTML {
	d.WriteString("</svg>")
	return template.HTML(d.String()) // every text in it was escaped
}

// line draws a straight line; class says how it looks.
func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

// dot draws a point that tells its text when it is pointed at.
func (d *drawing) dot(class string, x, y float64, text string) {
	fmt.Fprintf(d, `<circle class="%s" cx="%.1f" cy="%.1f" r="4"><title>%s</title></circle>`, class, x, y, template.HTMLEscapeString(text))
}

// text writes; anchor is start, middle or end.
func (d *drawing) text(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(d, `<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, class, anchor, x, y, template.HTMLEscapeString(text))
}

// path draws lines from point to point, and with a floor fills what is between.
func (d *drawing) path(class string, points [][2]float64, floor float64) {
	if len(points) == 0 {
		return
	}
	var p strings.Builder
	verb := "M"
	for _, xy := range points {
		fmt.Fprintf(&p, "%s%.1f %.1f", verb, xy[0], xy[1])
		verb = "L"
	}
	fmt.Fprintf(d, `<path class="%s" d="%sL%.1f %.1fL%.1f %.1fZ"/>`, class+" area", p.String(), points[len(points)-1][0], floor, points[0][0], floor)
	fmt.Fprintf(d, `<path class="%s" d="%s"/>`, class, p.String())
}

// A scale maps figures to pixels.
type scale struct{ low, high, from, to float64 }

// at is where a figure lies, within the ends.
func (s scale) at(figure float64) float64 {
	part := (figure - s.low) / (s.high - s.low)
	return s.from + min(max(part, 0), 1)*(s.to-s.from)
}

// ticks are about n round figures from low to high.
func (s scale) ticks(n int) (ticks []float64) {
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/float64(n))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (s.high-s.low)/(step*factor) <= float64(n) {
			step *= factor
			break
		}
	}
	for tick := math.Ceil(s.low/step) * step; tick <= s.high; tick += step {
		ticks = append(ticks, tick)
	}
	return ticks
}
