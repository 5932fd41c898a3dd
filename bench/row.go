package main

import (
	"github.com/mpgo/mp/bench/internal/result"
	"github.com/mpgo/mp/bench/internal/side"
)

// A row is one thing that is measured of all sides that can do it.
type row struct {
	name  string
	title string
	job   side.Job
	unit  result.Unit
	must  *result.Target
	aim   *result.Target

	base    *base                                   // what mp's figure is compared with, instead of the limit
	convert func(side.Sample, side.Job) side.Sample // to the row's unit; nil: as it is
	twoCPUs bool                                    // it makes sense only if two can spin at a time
	longer  int                                     // times the usual budget; 0: once
	laps    int                                     // how often it is run in each pass, each one a pass of its own; 0: once
	curve   *result.Curve                           // that this is a point of
	x       float64
}

// A base is a job of mp that another one of its jobs is compared with.
type base struct {
	name string // of the row that it is alone
	job  side.Job
}

// lapsOf is how often the row is run in each pass.
func (o *options) lapsOf(r *row) int {
	if o.quick {
		return 1
	}
	return max(r.laps, 1)
}

// result is what the row is in a report, before anything was measured.
func (r *row) result() *result.Row {
	return &result.Row{
		Name: r.name, Title: r.title, Unit: r.unit, Must: r.must, Aim: r.aim, Curve: r.curve, X: r.x,
	}
}

// byBytes makes bytes a second of messages a second.
func byBytes(s side.Sample, job side.Job) side.Sample {
	s.Figure *= float64(job.Size)
	s.P99 *= float64(job.Size)
	return s
}

// asCost makes nanoseconds for each message of messages a second.
func asCost(s side.Sample, _ side.Job) side.Sample {
	s.Figure = 1e9 / s.Figure
	s.P99 = 1e9 / s.P99
	return s
}

// allRows are the rows of the table and of the curves; few takes fewer points of
// each curve.
func allRows(few bool) []*row { return append(tableRows(), curveRows(few)...) }

func rowNames() (names []string) {
	for _, r := range allRows(false) {
		names = append(names, r.name)
	}
	return names
}
