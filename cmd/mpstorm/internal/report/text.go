package report

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/mpgo/mp/cmd/mpstorm/internal/storm"
)

// Text writes the report for people with a terminal.
func Text(w io.Writer, r *storm.Report) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\nwhat was done\tdone\tcame to nothing\tno memory\tkilled in it\t")
	for _, a := range r.Acts {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t\n", a.Name, a.Done, a.Passed, a.Refused, a.Deaths)
	}
	fmt.Fprintln(t, "\nfrom a kill until somebody goes on\ttimes\tmedian\t90 %\t99 %\tmaximum\t")
	for _, v := range r.Recoveries {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t\n", v.Name, v.Count, short(v.Median), short(v.P90), short(v.P99), short(v.Max))
	}
	_ = t.Flush() // w is standard output
	fmt.Fprintf(w, "\n%s; commit %s; %s\n", r.Machine, r.Commit, r.Began.UTC().Format("2 January 2006, 15:04 UTC"))
	for _, line := range summary(r) {
		fmt.Fprintln(w, line)
	}
}

// summary is the report in a few lines.
func summary(r *storm.Report) []string {
	acts := int64(0)
	for _, a := range r.Acts {
		acts += a.Done
	}
	return []string{
		fmt.Sprintf("%d kills survived: %d of the crew, %d of its children, %d of the pool's workers; %d times somebody was stopped",
			r.Killed(), r.Kills, r.Mates, r.Workers, r.Stops),
		fmt.Sprintf("%d processes in the crew, %d born, %d births put off for want of memory; %d pools gave up because their workers were killed too fast",
			r.Procs, r.Births, r.PutOff, r.PoolsEnded),
		fmt.Sprintf("%d acts and %d calls of the pool in %.1f s, seed %d, %d musters, %d violations",
			acts, r.Calls, r.Elapsed.Seconds(), r.Seed, len(r.Musters), len(r.Violations)),
	}
}

// short is a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}
