package report

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/mpgo/mp/bench/internal/result"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// content is what the page shows.
type content struct {
	Machine, Run, Date string
	Header             []string
	Lines              [][]string
	Numbers            map[int]bool // columns that are numbers
	Charts             []chart
	Curves             []chart
	Passes             []passes
	Remarks            []string
}

type chart struct {
	Name, Title, Unit, Better string
	Asked, Mark               string
	Why                       string // there is no picture
	Picture                   template.HTML
	Legend                    []legendEntry
}

type legendEntry struct{ Class, Name string }

// passes is how far the CPUs were from each other while a row was measured.
type passes struct {
	Name  string
	Cells []cell
}

type cell struct {
	Text string
	Slow bool
}

// HTML writes a page that needs nothing else.
func HTML(w io.Writer, r *result.Report) error {
	c := content{
		Machine: r.Machine, Run: run(r), Date: r.Begun.UTC().Format("2 January 2006, 15:04 UTC"),
		Header: header, Numbers: isNumber, Remarks: remarks(r),
	}
	curves, others := curvesOf(r)
	for _, row := range others {
		c.Lines = append(c.Lines, line(row, r.SlowAbove()))
		c.Charts = append(c.Charts, dotChart(row))
	}
	for _, curve := range curves {
		c.Curves = append(c.Curves, lineChart(curve))
	}
	for _, row := range r.Rows {
		c.Passes = append(c.Passes, newPasses(row, r.SlowAbove()))
	}
	return page.Execute(w, c)
}

func dotChart(row *result.Row) chart {
	c := chart{
		Name: row.Name, Title: row.Title, Unit: row.Unit.Name, Better: better(row.Unit),
		Asked: asked(row), Mark: mark(row), Why: row.Skipped,
	}
	if c.Why == "" {
		c.Picture = dots(row)
	}
	return c
}

// asked is what mp must reach in the row, and aims at; empty if nothing is asked.
func asked(row *result.Row) string {
	if row.Must == nil {
		return ""
	}
	text := "must be " + row.Must.Format(row.Unit) + ", is to become " + row.Aim.Format(row.Unit)
	switch row.Must.To {
	case result.Limit:
		text += " the limit"
	case result.Base:
		text += " " + row.Standard().Name
	}
	return text
}

func lineChart(curve *curve) chart {
	u, last := curve.rows[0].Unit, curve.rows[len(curve.rows)-1]
	c := chart{
		Name: "scale/" + curve.Name, Title: curve.Title, Unit: u.Name, Better: better(u),
		Mark: mark(last), Why: curve.rows[0].Skipped,
	}
	if last.Must != nil { // something is asked of the last point only
		c.Asked = "at " + curve.amount(last.X) + " it " + asked(last)
	}
	if c.Why != "" {
		return c
	}
	c.Picture = lines(curve)
	for i, s := range curve.sides() {
		c.Legend = append(c.Legend, legendEntry{class(s, i), s.Name})
	}
	return c
}

func newPasses(row *result.Row, slowAbove float64) passes {
	p := passes{Name: row.Name}
	for _, latency := range row.Canary {
		p.Cells = append(p.Cells, cell{result.Digits(latency), latency > slowAbove})
	}
	return p
}
