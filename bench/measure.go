package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/result"
	"github.com/mpgo/mp/bench/internal/side"
)

// A race is one row with those who can do it.
type race struct {
	row      *row
	result   *result.Row
	entrants []entrant // as the sides of the result
}

// An entrant is a contestant with what it is to do.
type entrant struct {
	contestant
	job side.Job
}

func (r *race) enter(c contestant, job side.Job) {
	r.entrants = append(r.entrants, entrant{c, job})
	r.result.Sides = append(r.result.Sides, &result.Side{Name: c.Name(), Kind: c.Kind()})
}

// measure runs all passes. The error is ctx's, or one that leaves nothing to
// report.
func measure(ctx context.Context, o *options, p *progress) (*result.Report, error) {
	if err := adoptOrphans(); err != nil {
		return nil, err
	}
	p.say("building what is compared with")
	b, err := build()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	report := newReport(o)
	cpus := cpu.Usable()
	races := enter(o.rows, contestants(b), cpus)
	for _, r := range races {
		report.Rows = append(report.Rows, r.result)
	}
	p.begin(o, races)
	for pass := range o.passes {
		latency, err := canary(ctx, cpus)
		if err != nil {
			return nil, err
		}
		p.pass(pass, latency)
		for _, r := range races {
			for range o.lapsOf(r.row) {
				if err := r.run(ctx, o, cpus, p); err != nil {
					return nil, err
				}
			}
		}
	}
	p.end()
	report.Took = time.Since(report.Begun)
	return report, nil
}

// enter finds out who runs in which race.
func enter(rows []*row, all []contestant, cpus []int) (races []*race) {
	for _, row := range rows {
		r := &race{row: row, result: row.result()}
		races = append(races, r)
		if row.twoCPUs && len(cpus) < 2 {
			r.result.Skipped = "both sides spin, which takes two CPUs; there is one"
			continue
		}
		for _, c := range all {
			if c.Can(row.job) {
				r.enter(c, row.job)
			}
			if row.base != nil && c.Kind() == result.Ours && c.Can(row.base.job) {
				r.enter(simpler{c, row.base.name}, row.base.job)
			}
		}
	}
	return races
}

// run has everybody run once.
func (r *race) run(ctx context.Context, o *options, cpus []int, p *progress) error {
	if r.result.Skipped != "" {
		return nil
	}
	latency, err := canary(ctx, cpus)
	if err != nil {
		return err
	}
	pass := len(r.result.Canary)
	r.result.Canary = append(r.result.Canary, latency)
	l := &lap{race: r, pass: pass, options: o, cpus: cpus, progress: p, apart: latency}
	for n := range l.order() {
		if err := l.measure(ctx, n); err != nil {
			return err
		}
		p.done++
	}
	return l.compare(ctx)
}

// A lap is one pass of a race, by its number in the result.
type lap struct {
	*race
	*options
	pass     int
	cpus     []int
	progress *progress
	apart    float64 // how far the CPUs are from each other now
}

// order is the entrants' numbers. Every second pass has them in the opposite order, so that nobody
// always has the same one before.
func (l *lap) order() iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := range l.entrants {
			if l.pass%2 != 0 {
				n = len(l.entrants) - 1 - n
			}
			if !yield(n) {
				return
			}
		}
	}
}

// measure measures an entrant once. Its failure is part of the result.
func (l *lap) measure(ctx context.Context, n int) error {
	e, s := l.entrants[n], l.result.Sides[n]
	l.progress.side(l.row.name, e.Name())
	if s.Missing != "" {
		return nil
	}
	e.job.Budget = l.budget * time.Duration(max(l.row.longer, 1))
	if l.pin && len(l.cpus) > 1 {
		e.job.CPUs = l.cpus
	}
	before := l.apart
	sample, err := once(ctx, e, e.job)
	if err == nil && l.row.convert != nil {
		*sample = l.row.convert(*sample, e.job)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, new(side.Missing)):
		s.Missing = err.Error()
	case err != nil:
		s.Failed = err.Error()
	}
	l.apart, err = canary(ctx, l.cpus)
	s.Record(l.pass, result.Pass{Sample: sample, Apart: l.between(before, l.apart)})
	return err
}

// between is where the CPUs were. Nobody knows on which of them a side runs that is not pinned.
func (l *lap) between(before, after float64) result.Apart {
	if !l.pin {
		return result.Apart{}
	}
	return result.Apart{Before: before, After: after}
}

// again is how often mp and what it is compared with are measured again, at most, if the CPUs were
// moved between the two.
const again = 6

// compare sees to it that the pass tells mp's ratio, if one is asked for. What was measured does not
// matter for that, only where the CPUs were; but who goes to sleep may have them moved.
func (l *lap) compare(ctx context.Context) error {
	ours, standard := l.result.Ours(), l.result.Standard()
	if l.quick || ours == nil || standard == nil || l.row.must == nil || !l.row.must.Relative() {
		return nil
	}
	for tried := 0; tried < again && ours.Moved(standard, l.pass); tried++ {
		for n := range l.order() {
			if s := l.result.Sides[n]; s != ours && s != standard {
				continue
			}
			if err := l.measure(ctx, n); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	// patience is how long a side may take for what should take a second or two.
	patience = 30 * time.Second
	// longer is how many times longer a side is measured that did nothing in the
	// usual time: it is slow, or the machine is busy.
	longer = 16
)

var errNothing = errors.New("it did nothing in the time there was")

// once measures a side once.
func once(ctx context.Context, c contestant, job side.Job) (*side.Sample, error) {
	sample, err := attempt(ctx, c, job)
	if errors.Is(err, errNothing) {
		job.Budget *= longer
		sample, err = attempt(ctx, c, job)
	}
	return sample, err
}

func attempt(ctx context.Context, c contestant, job side.Job) (*side.Sample, error) {
	cmd, err := c.Command(job)
	if err != nil {
		return nil, side.Missing(err.Error())
	}
	sample, err := measureSide(ctx, cmd, patience+10*job.Budget)
	if err == nil && sample.Count == 0 && !sample.Never {
		return nil, errNothing
	}
	return sample, err
}

// canary is the time in ns from one CPU to another and back; 0 with one CPU.
func canary(ctx context.Context, cpus []int) (float64, error) {
	if len(cpus) < 2 {
		return 0, nil
	}
	sample, err := measureSide(ctx, canaryCommand(cpus), patience)
	if err != nil {
		return 0, fmt.Errorf("how far the CPUs are from each other: %w", err)
	}
	return sample.Figure, nil
}
