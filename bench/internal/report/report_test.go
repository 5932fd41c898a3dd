package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/bench/internal/result"
	"github.com/mpgo/mp/bench/internal/side"
)

func gave(name string, kind result.Kind, figures ...float64) *result.Side {
	s := &result.Side{Name: name, Kind: kind}
	for _, f := range figures {
		s.Passes = append(s.Passes, result.Pass{Sample: &side.Sample{Figure: f, P99: 2 * f}})
	}
	return s
}

// sample is a report with everything that a report can have.
func sample() *result.Report {
	curve := &result.Curve{Name: "size", Title: "Cost against size", Unit: "B"}
	r := &result.Report{
		Begun: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), Took: 90 * time.Second,
		Commit: "0123456789ab", Machine: "some machine", Passes: 2,
		Rows: []*result.Row{
			{
				Name: "trip", Title: "There & back", Unit: result.Nanoseconds,
				Must: result.Times(1.8), Aim: result.Times(1.2), Canary: []float64{100, 400},
				Sides: []*result.Side{
					gave("channel <1>", result.Scale, 50, 60), gave("pipe", result.Peer, 30_000, 60_000),
					{Name: "Python", Kind: result.Peer, Missing: "no python3 here"},
					gave("C", result.Limit, 100, 200), gave("mp", result.Ours, 150, 300),
				},
			},
			{
				Name: "batch", Title: "Batch", Unit: result.Millions, Must: result.TimesBase(2), Aim: result.TimesBase(4),
				Sides: []*result.Side{
					gave("C", result.Limit, 4e6, 4e6), gave("single", result.Base, 1e6, 2e6), gave("mp", result.Ours, 3e6, 6e6),
				},
			},
			{
				Name: "rate", Title: "Rate", Unit: result.Millions, Must: result.Absolute(2e6),
				Sides: []*result.Side{
					{Name: "Python", Kind: result.Peer, Passes: []result.Pass{{}}, Failed: "it fell over"},
					gave("pipe", result.Peer, 4e6, 4e6), gave("mp", result.Ours, 1e6, 1e6),
				},
			},
			{Name: "takeover", Title: "Takeover", Unit: result.Milliseconds, Sides: []*result.Side{
				{Name: "Python", Kind: result.Peer, Passes: []result.Pass{{Sample: &side.Sample{Never: true, Note: "it waits for ever"}}}},
				{Name: "mp", Kind: result.Ours, Missing: "not written yet"},
			}},
			{Name: "spin", Title: "Spin", Unit: result.Nanoseconds, Must: result.Times(2), Aim: result.Times(1), Skipped: "there is one CPU"},
		},
	}
	for i, size := range []float64{8, 1024, 1 << 20} {
		cost := 100 * float64(i+1)
		r.Rows = append(r.Rows, &result.Row{
			Name: fmt.Sprint("scale/size/", size), Title: "Cost", Unit: result.Nanoseconds, Curve: curve, X: size,
			Sides: []*result.Side{gave("C", result.Limit, cost), gave("pipe", result.Peer, 9*cost), gave("mp", result.Ours, 2*cost)},
		})
	}
	for _, s := range r.Rows[0].Sides {
		if s.Measured() {
			s.Passes[0].Apart, s.Passes[1].Apart = result.Apart{Before: 100, After: 100}, result.Apart{Before: 100, After: 400}
		}
	}
	r.Rows[0].Ours().Passes[0].Again = 3
	last := r.Rows[len(r.Rows)-1]
	last.Must, last.Aim = result.Times(3), result.Times(1)
	return r
}

func TestTheTable(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Table(&b, sample()))
	for _, want := range []string{
		"some machine\ncommit 0123456789ab, 2 passes, 1m30s\n",
		"trip *       ns        225  450  150…300    150  1.50 ×    ≤ 1.80 ×  ≤ 1.20 ×  ✓  pipe            45000  200 × less\n",
		"batch  M/s  4.50 9.00 3.00…6.00 4.00 3.00 × single ≥ 2.00 × ≥ 4.00 × ✓\n",
		"rate         M/s      1.00 2.00", "≥ 2.00 M/s", "✗  pipe             4.00  4.00 × slower\n",
		"takeover     ms    missing",
		"* in some pass more than 250 ns passed from core to core and back when the row was measured\n",
		"Python missing: no python3 here (trip)\n",
		"Python failed: it fell over (rate)\n",
		"mp missing: not written yet (takeover)\n",
		"trip: in 1 of 2 passes the CPUs were moved nevertheless, and the ratio does not count\n",
		"trip: mp and C were measured again 3 times, as the CPUs had been moved\n",
		"takeover, Python: it waits for ever\n",
		"spin: there is one CPU\n",
		"scale/size/1024  ns",
	} {
		assert.Contains(t, spaces.ReplaceAllString(b.String(), " "), spaces.ReplaceAllString(want, " "))
	}
	assert.NotContains(t, b.String(), "NaN")
}

// spaces are the padding of columns.
var spaces = regexp.MustCompile(` +`)

func TestARoughRatioHasASign(t *testing.T) {
	assert.Equal(t, "1.50 ×", times(1.5, false))
	assert.Equal(t, "~1.50 ×", times(1.5, true))
	assert.Equal(t, "~2.00 × slower", advantage(result.Millions, 0.5, true))
	assert.Empty(t, times(math.NaN(), true))
}

func TestColumnsAreAligned(t *testing.T) {
	var b strings.Builder
	align(&b, [][]string{{"näme", "x", "1"}, {"a", "yy", "1000"}})
	assert.Equal(t, "näme  x      1\na     yy  1000\n", b.String())
}

func TestJSONHasOneObjectForEachRow(t *testing.T) {
	var b strings.Builder
	require.NoError(t, JSON(&b, sample()))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, len(sample().Rows))

	assert.JSONEq(t, `{
		"name": "trip", "title": "There & back", "unit": "ns", "better": "lower",
		"median": 225, "p99": 450, "low": 150, "high": 300, "passes": 2, "slow_passes": 1, "moved_passes": 1, "measured_again": 3, "core_to_core_ns": [100, 400],
		"limit": 150, "ratio": 1.5, "peer": {"name": "pipe", "median": 45000, "ratio": 0.005},
		"must": {"value": 1.8, "relative": true, "verdict": "reached"},
		"aim": {"value": 1.2, "relative": true, "verdict": "missed"},
		"sides": [
			{"name": "channel <1>", "kind": "scale", "median": 55, "p99": 110, "figures": [50, 60], "apart_ns": [[100, 100], [100, 400]]},
			{"name": "pipe", "kind": "peer", "median": 45000, "p99": 90000, "figures": [30000, 60000], "apart_ns": [[100, 100], [100, 400]]},
			{"name": "Python", "kind": "peer", "median": null, "p99": null, "figures": null, "apart_ns": null, "missing": "no python3 here"},
			{"name": "C", "kind": "limit", "median": 150, "p99": 300, "figures": [100, 200], "apart_ns": [[100, 100], [100, 400]]},
			{"name": "mp", "kind": "mp", "median": 225, "p99": 450, "figures": [150, 300], "apart_ns": [[100, 100], [100, 400]]}
		],
		"commit": "0123456789ab", "machine": "some machine", "time": "2026-11-21T10:00:00Z"
	}`, lines[0])
	assert.Contains(t, lines[1], `"base":{"name":"single","median":1.5,"ratio":3}`)
	for _, line := range lines {
		assert.True(t, json.Valid([]byte(line)), line)
	}
	assert.Contains(t, lines[2], `"unit":"M/s","better":"higher","median":1,`)
	assert.Contains(t, lines[3], `"median":null`)
	assert.Contains(t, lines[3], `"never":true`)
	assert.Contains(t, lines[4], `"skipped":"there is one CPU"`)
}

func TestThePageNeedsNothingElse(t *testing.T) {
	var b strings.Builder
	require.NoError(t, HTML(&b, sample()))
	page := b.String()
	assert.NotRegexp(t, `(src|href)=|@import|url\(`, page)
	assert.NotContains(t, page, "NaN")
	assert.NotContains(t, page, "Inf")
	assert.Contains(t, page, "There &amp; back ✓")
	assert.Contains(t, page, "channel &lt;1&gt;")
	assert.Contains(t, page, "there is one CPU")
	assert.Contains(t, page, "Cost against size ✓<small>")
	assert.Contains(t, page, "at 1 MiB it must be ≤ 3.00 ×, is to become ≤ 1.00 × the limit")
	assert.Contains(t, page, `<td class="number slow">400</td>`)
	assert.Contains(t, page, "is to become ≥ 4.00 × single")
	assert.Equal(t, 5, strings.Count(page, "<svg"), "four rows that were measured, and a curve")
}

func TestThePicturesAreWellFormed(t *testing.T) {
	for _, row := range sample().Rows {
		requireWellFormed(t, string(dots(row)))
	}
	curves, others := curvesOf(sample())
	require.Len(t, curves, 1)
	assert.Len(t, others, 5)
	picture := string(lines(curves[0]))
	requireWellFormed(t, picture)
	assert.Contains(t, picture, "1 MiB")
	assert.Equal(t, 3, strings.Count(picture, "<path"))
}

func requireWellFormed(t *testing.T, picture string) {
	t.Helper()
	var any struct {
		XMLName xml.Name
	}
	require.NoError(t, xml.Unmarshal([]byte(picture), &any), picture)
	assert.Equal(t, "svg", any.XMLName.Local)
}

func TestALogarithmicScale(t *testing.T) {
	s := logScale{low: 1, high: 1000, from: 0, to: 300}
	assert.InDelta(t, 0, s.at(1), 1e-9)
	assert.InDelta(t, 100, s.at(10), 1e-9)
	assert.InDelta(t, 300, s.at(1000), 1e-9)
	assert.InDelta(t, 300, s.at(1e9), 1e-9, "it does not leave its picture")
	assert.Equal(t, []float64{1, 10, 100, 1000}, s.decades())
	assert.Equal(t, []float64{20, 50}, logScale{low: 15, high: 90}.decades())

	none := newLogScale(nil, 0, 100)
	assert.Less(t, none.low, none.high)
	same := newLogScale([]float64{5, 5}, 0, 100)
	assert.InDelta(t, 50, same.at(5), 1e-9)
}
