package main

import (
	"fmt"
	"io"

	"github.com/mpgo/mp/bench/internal/result"
)

// works reports whether mp did all that was asked of it, and says what failed.
func works(r *result.Report, w io.Writer) bool {
	ok := true
	for _, row := range r.Rows {
		if ours := row.Ours(); ours != nil && ours.Failed != "" {
			fmt.Fprintf(w, "%s: mp failed: %s\n", row.Name, ours.Failed)
			ok = false
		}
	}
	return ok
}

// reaches reports whether every row of mp reaches what it must, and names those that
// do not, or of which it cannot be told.
func reaches(r *result.Report, w io.Writer) bool {
	missed := r.Missed()
	for _, row := range missed {
		fmt.Fprintf(w, "%s: %s\n", row.Name, shortfall(row))
	}
	return len(missed) == 0
}

// shortfall says what is wrong with a row.
func shortfall(row *result.Row) string {
	must, ours := row.Must.Format(row.Unit), row.Ours()
	switch {
	case row.Skipped != "":
		return row.Skipped
	case ours == nil || !ours.Measured():
		return fmt.Sprintf("must reach %s, and there is no figure of mp", must)
	case row.Verdict(row.Must) == result.Unknown && row.Standard() != nil && ours.MovedMostly(row.Standard()):
		return fmt.Sprintf("must reach %s, and in most passes the CPUs were moved between mp and the %s", must, row.Must.To)
	case row.Verdict(row.Must) == result.Unknown:
		return fmt.Sprintf("must reach %s, and there is no %s to compare with", must, row.Must.To)
	case row.Must.Relative():
		ratio, _ := ours.RatioTo(row.Standard())
		return fmt.Sprintf("must reach %s the %s, is %s ×", must, row.Must.To, result.Digits(ratio))
	}
	return fmt.Sprintf("must reach %s, is %s", must, row.Unit.Format(ours.Median()))
}
