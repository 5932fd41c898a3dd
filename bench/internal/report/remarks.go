package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mpgo/mp/bench/internal/result"
)

// legend says what the signs mean.
const legend = "✓ reaches what it must, ✓✓ also what it aims at, ✗ does not, ? cannot be told; ratios are to the limit, or the row named, in the same pass"

// remarks are what a table has no room for.
func remarks(r *result.Report) (lines []string) {
	lines = append(lines, legend)
	if slices.ContainsFunc(r.Rows, func(row *result.Row) bool { return row.SlowPasses(r.SlowAbove()) > 0 }) {
		lines = append(lines, fmt.Sprintf("* in some pass more than %.0f ns passed from core to core and back when the row was measured",
			r.SlowAbove()))
	}
	lines = append(lines, reasons(r, "missing", func(s *result.Side) string { return s.Missing })...)
	lines = append(lines, reasons(r, "failed", func(s *result.Side) string { return s.Failed })...)
	for _, row := range r.Rows {
		if row.Skipped != "" {
			lines = append(lines, row.Name+": "+row.Skipped)
		}
		if moved, all := row.Moved(); moved > 0 && relative(row) {
			lines = append(lines, fmt.Sprintf("%s: in %d of %d passes the CPUs were moved between mp and %s, and the ratio does not count",
				row.Name, moved, all, row.Standard().Name))
		}
		lines = append(lines, notes(row)...)
	}
	return lines
}

// relative reports whether something is asked of a ratio.
func relative(row *result.Row) bool { return row.Must != nil && row.Must.Relative() }

// reasons are why sides have no figures, with the rows that each is true of.
func reasons(r *result.Report, what string, of func(*result.Side) string) (lines []string) {
	rows := make(map[string][]string)
	var order []string
	for _, row := range r.Rows {
		for _, s := range row.Sides {
			if of(s) == "" {
				continue
			}
			reason := fmt.Sprintf("%s %s: %s", s.Name, what, of(s))
			if !slices.Contains(order, reason) {
				order = append(order, reason)
			}
			rows[reason] = append(rows[reason], row.Name)
		}
	}
	for _, reason := range order {
		lines = append(lines, fmt.Sprintf("%s (%s)", reason, strings.Join(rows[reason], ", ")))
	}
	return lines
}

func notes(row *result.Row) (lines []string) {
	for _, s := range row.Sides {
		if note := s.Note(); note != "" {
			lines = append(lines, fmt.Sprintf("%s, %s: %s", row.Name, s.Name, note))
		}
	}
	return lines
}
