package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/mpgo/mp/cmd/mpstorm/internal/storm"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"short": short}).Parse(pageText))

// HTML writes a page that needs nothing else.
func HTML(w io.Writer, r *storm.Report) error {
	return page.Execute(w, struct {
		*storm.Report
		Summary  []string
		Date     string
		Recovery chart
		Charts   []chart
	}{r, summary(r), r.Began.UTC().Format("2 January 2006, 15:04 UTC"), recoveries(r.Recoveries), charts(r)})
}

// charts are those over time.
func charts(r *storm.Report) []chart {
	var musters []point
	for _, m := range r.Musters {
		musters = append(musters, point{m.At, float64(m.Took.Milliseconds())})
	}
	return []chart{
		overTime("Kills survived", "of the crew, its children and the pool's workers, in all", "kills",
			levels(r.Samples, func(s storm.Sample) float64 { return float64(s.Kills) }), whole),
		overTime("Kills per second", "", "kills",
			rates(r.Samples, func(s storm.Sample) int64 { return s.Kills }), whole),
		overTime("Throughput", "acts per second; an act is up to a hundred operations. It rests at each muster", "acts",
			rates(r.Samples, func(s storm.Sample) int64 { return s.Done }), whole),
		overTime("Births per second", "of the crew", "births",
			rates(r.Samples, func(s storm.Sample) int64 { return s.Births }), whole),
		overTime("Shared memory in use", fmt.Sprintf("MiB, of an arena of %d; counted while it changes, so that some is counted twice", storm.ArenaSize>>20), "memory",
			levels(r.Samples, func(s storm.Sample) float64 { return float64(s.Bytes) / (1 << 20) }), whole),
		overTime("Refused for want of shared memory", "acts per second", "memory",
			rates(r.Samples, func(s storm.Sample) int64 { return s.Refused }), whole),
		overTime("From the bell until all are at rest", "ms, at each muster", "musters", musters, whole),
	}
}
