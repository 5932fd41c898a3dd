package report

import (
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/mpgo/mp/bench/internal/result"
)

// record is a row as JSON. Figures are in the row's unit.
type record struct {
	Name    string    `json:"name"`
	Title   string    `json:"title"`
	Unit    string    `json:"unit"`
	Better  string    `json:"better"`
	Median  *float64  `json:"median"` // mp's; null if there is none
	P99     *float64  `json:"p99"`
	Low     *float64  `json:"low"`
	High    *float64  `json:"high"`
	Passes  int       `json:"passes"`
	Slow    int       `json:"slow_passes"`
	Moved   int       `json:"moved_passes"`   // that tell nothing of mp and its base, or else the limit
	Again   int       `json:"measured_again"` // mp, as the CPUs had been moved
	Canary  []float64 `json:"core_to_core_ns"`
	Limit   *float64  `json:"limit"`
	Ratio   *float64  `json:"ratio"` // to the limit
	Base    *rival    `json:"base,omitempty"`
	Peer    *rival    `json:"peer"` // the best one
	Must    *target   `json:"must,omitempty"`
	Aim     *target   `json:"aim,omitempty"`
	Sides   []entry   `json:"sides"`
	Skipped string    `json:"skipped,omitempty"`
	Commit  string    `json:"commit"`
	Machine string    `json:"machine"`
	Time    time.Time `json:"time"`
	Quick   bool      `json:"quick,omitempty"`
}

// A rival is a side that mp is compared with.
type rival struct {
	Name   string   `json:"name"`
	Median *float64 `json:"median"`
	Ratio  *float64 `json:"ratio"` // mp's figure to it
}

type target struct {
	Value    *float64       `json:"value"`
	Relative bool           `json:"relative"` // to the base if there is one, or else to the limit
	Verdict  result.Verdict `json:"verdict"`
}

type entry struct {
	Name    string       `json:"name"`
	Kind    string       `json:"kind"`
	Median  *float64     `json:"median"`
	P99     *float64     `json:"p99"`
	Figures []*float64   `json:"figures"`  // by pass; null where it failed
	Apart   [][2]float64 `json:"apart_ns"` // by pass: core to core and back, before and after
	Never   bool         `json:"never,omitempty"`
	Missing string       `json:"missing,omitempty"`
	Failed  string       `json:"failed,omitempty"`
	Note    string       `json:"note,omitempty"`
}

// JSON prints one object a line, for each row.
func JSON(w io.Writer, r *result.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, row := range r.Rows {
		if err := e.Encode(newRecord(r, row)); err != nil {
			return err
		}
	}
	return nil
}

func newRecord(r *result.Report, row *result.Row) record {
	rec := record{
		Name: row.Name, Title: row.Title, Unit: row.Unit.Name, Better: better(row.Unit), Passes: r.Passes,
		Slow: row.SlowPasses(r.SlowAbove()), Canary: row.Canary, Skipped: row.Skipped,
		Must: newTarget(row, row.Must), Aim: newTarget(row, row.Aim),
		Commit: r.Commit, Machine: r.Machine, Time: r.Begun.UTC().Truncate(time.Second), Quick: r.Quick,
	}
	ours, limit := row.Ours(), row.Limit()
	rec.Moved, _ = row.Moved()
	rec.Again = row.Again()
	if ours != nil {
		low, high := ours.Spread()
		rec.Median, rec.P99 = in(row.Unit, ours.Median()), in(row.Unit, ours.P99())
		rec.Low, rec.High = in(row.Unit, low), in(row.Unit, high)
	}
	if limit != nil {
		rec.Limit = in(row.Unit, limit.Median())
	}
	if ours != nil && limit != nil {
		rec.Ratio = ratio(ours, limit)
	}
	rec.Peer = newRival(row, row.BestPeer())
	if s := row.Standard(); s != nil && s.Kind == result.Base {
		rec.Base = newRival(row, s)
	}
	for _, s := range row.Sides {
		rec.Sides = append(rec.Sides, newEntry(row.Unit, s))
	}
	return rec
}

func better(u result.Unit) string {
	if u.Higher {
		return "higher"
	}
	return "lower"
}

func newRival(row *result.Row, s *result.Side) *rival {
	if s == nil {
		return nil
	}
	r := &rival{Name: s.Name, Median: in(row.Unit, s.Median())}
	if ours := row.Ours(); ours != nil {
		r.Ratio = ratio(ours, s)
	}
	return r
}

func newTarget(row *result.Row, t *result.Target) *target {
	if t == nil {
		return nil
	}
	value := in(row.Unit, t.Value)
	if t.Relative() {
		value = number(t.Value)
	}
	return &target{value, t.Relative(), row.Verdict(t)}
}

func newEntry(u result.Unit, s *result.Side) entry {
	e := entry{
		Name: s.Name, Kind: string(s.Kind), Median: in(u, s.Median()), P99: in(u, s.P99()),
		Never: s.Never(), Missing: s.Missing, Failed: s.Failed, Note: s.Note(),
	}
	for _, p := range s.Passes {
		if p.Sample == nil || p.Never {
			e.Figures = append(e.Figures, nil)
		} else {
			e.Figures = append(e.Figures, in(u, p.Figure))
		}
		e.Apart = append(e.Apart, [2]float64{p.Before, p.After})
	}
	return e
}

// in is a figure in its unit, or nil if it is none: JSON has no NaN.
func in(u result.Unit, figure float64) *float64 { return number(u.Of(figure)) }

// ratio is nil if it is only a rough one.
func ratio(ours, other *result.Side) *float64 {
	x, rough := ours.RatioTo(other)
	if rough {
		return nil
	}
	return number(x)
}

func number(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
