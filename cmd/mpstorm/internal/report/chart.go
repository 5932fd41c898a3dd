package report

import (
	"fmt"
	"html/template"
	"math"
	"time"

	"github.com/mpgo/mp/cmd/mpstorm/internal/storm"
)

// A chart is a picture and what it is of.
type chart struct {
	Title, Note string
	Picture     template.HTML
}

// Room in a chart over time, in pixels.
const (
	width, height = 640, 260
	left, right   = 70, 16
	top, bottom   = 14, 30
)

// A point is a figure at some moment.
type point struct {
	at     time.Duration
	figure float64
}

// overTime draws points as a line.
func overTime(title, note, class string, points []point, format func(float64) string) chart {
	d := newDrawing(width, height, title)
	var last time.Duration
	most := 0.0
	for _, p := range points {
		last, most = max(last, p.at), max(most, p.figure)
	}
	unit, mark := time.Second, "%.3g s"
	if last >= 3*time.Minute {
		unit, mark = time.Minute, "%.3g min"
	}
	x := scale{0, max(float64(last)/float64(unit), 1), left, width - right}
	y := scale{0, max(most*1.08, 1), height - bottom, top}
	for _, tick := range y.ticks(5) {
		d.line("grid", left, y.at(tick), width-right, y.at(tick))
		d.text("tick", "end", left-8, y.at(tick)+4, format(tick))
	}
	for _, tick := range x.ticks(8) {
		d.text("tick", "middle", x.at(tick), height-bottom+18, fmt.Sprintf(mark, tick))
	}
	var at [][2]float64
	for _, p := range points {
		at = append(at, [2]float64{x.at(float64(p.at) / float64(unit)), y.at(p.figure)})
	}
	d.path(class, at, y.at(0))
	return chart{title, note, d.svg()}
}

// shortest is the shortest time that a rate is computed over. Samples come closer to
// each other when one was late.
const shortest = 500 * time.Millisecond

// rates are how fast a count rises between samples.
func rates(samples []storm.Sample, count func(storm.Sample) int64) (points []point) {
	if len(samples) == 0 {
		return nil
	}
	before := samples[0]
	for _, now := range samples[1:] {
		if lasts := now.At - before.At; lasts >= shortest {
			points = append(points, point{now.At, float64(count(now)-count(before)) / lasts.Seconds()})
			before = now
		}
	}
	return points
}

// levels are figures as they stood.
func levels(samples []storm.Sample, figure func(storm.Sample) float64) (points []point) {
	for _, s := range samples {
		points = append(points, point{s.At, figure(s)})
	}
	return points
}

// whole writes a figure with as few digits as it needs.
func whole(f float64) string {
	switch {
	case f >= 1e6:
		return fmt.Sprintf("%.3g M", f/1e6)
	case f >= 1e4:
		return fmt.Sprintf("%.3g k", f/1e3)
	}
	return fmt.Sprintf("%.4g", f)
}

// Room in the chart of recoveries.
const (
	rowHeight = 30
	nameWidth = 270
)

// recoveries draws a row for each thing that was timed, on a logarithmic axis: from
// the median to the maximum.
func recoveries(list []storm.Recovery) chart {
	const title = "From a kill until somebody goes on"
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range list {
		if r.Count > 0 {
			low, high = min(low, float64(r.Median)), max(high, float64(r.Max))
		}
	}
	if low > high {
		low, high = float64(time.Millisecond), float64(time.Second)
	}
	tall := float64(rowHeight*len(list) + top + bottom)
	d := newDrawing(2*width, tall, title)
	x := scale{math.Floor(math.Log10(low)), math.Ceil(math.Log10(high * 1.01)), nameWidth, 2*width - 2*right}
	for decade := x.low; decade <= x.high; decade++ {
		d.line("grid", x.at(decade), top, x.at(decade), tall-bottom)
		d.text("tick", "middle", x.at(decade), tall-bottom+18, short(time.Duration(math.Pow(10, decade))))
	}
	for i, r := range list {
		y := float64(top + rowHeight*i + rowHeight/2)
		d.text("name", "end", nameWidth-14, y+4, r.Name)
		if r.Count == 0 {
			d.text("tick", "start", nameWidth+6, y+4, "never")
			continue
		}
		d.row(r, x, y)
	}
	return chart{title, "median, 90 %, 99 % and maximum; also while others are stopped and more processes run than there are CPUs", d.svg()}
}

// row draws one recovery.
func (d *drawing) row(r storm.Recovery, x scale, y float64) {
	at := func(t time.Duration) float64 { return x.at(math.Log10(float64(t))) }
	d.line("whisker", at(r.Median), y, at(r.Max), y)
	for _, p := range []struct {
		class string
		time  time.Duration
		what  string
	}{
		{"max", r.Max, "maximum"}, {"p99", r.P99, "99 %"}, {"p90", r.P90, "90 %"}, {"median", r.Median, "median"},
	} {
		d.dot(p.class, at(p.time), y, fmt.Sprintf("%s, %s of %d: %s", r.Name, p.what, r.Count, short(p.time)))
	}
}
