package report

import (
	"fmt"
	"html/template"
	"strings"
)

// A drawing is an SVG picture that is being made.
type drawing struct {
	strings.Builder
	width, height float64
}

func newDrawing(width, height float64, label string) *drawing {
	d := &drawing{width: width, height: height}
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
func (d *drawing) dot(class string, x, y, radius float64, text string) {
	fmt.Fprintf(d, `<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"><title>%s</title></circle>`,
		class, x, y, radius, template.HTMLEscapeString(text))
}

// text writes; anchor is start, middle or end.
func (d *drawing) text(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(d, `<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`,
		class, anchor, x, y, template.HTMLEscapeString(text))
}

// path draws lines from point to point.
func (d *drawing) path(class string, points [][2]float64) {
	var p strings.Builder
	for i, xy := range points {
		verb := "L"
		if i == 0 {
			verb = "M"
		}
		fmt.Fprintf(&p, "%s%.1f %.1f", verb, xy[0], xy[1])
	}
	fmt.Fprintf(d, `<path class="%s" d="%s"/>`, class, p.String())
}
