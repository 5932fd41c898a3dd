package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mpgo/mp/bench/internal/result"
)

// legend says what the signs mean.
const legend = "✓ reaches what it must, ✓✓ also what it aims at, ✗ does not, ? cannot be told; ratios are to the limit, or the row named, in the same pass; ~ only of passes in which the CPUs were moved"

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
		lines = append(lines, moves(row)...)
		lines = append(lines, notes(row)...)
	}
	return lines
}

// moves says what became of passes in which the CPUs were moved, where it makes a difference.
func moves(row *result.Row) (lines []string) {
	if row.Must == nil || !row.Must.Relative() {
		return nil
	}
	if n := row.Again(); n > 0 {
		lines = append(lines, fmt.Sprintf("%s: mp and %s were measured again %d times, as the CPUs had been moved", row.Name, row.Standard().Name, n))
	}
	if moved, all := row.Moved(); moved > 0 {
		lines = append(lines, fmt.Sprintf("%s: in %d of %d passes the CPUs were moved nevertheless, and the ratio does not count",
			row.Name, moved, all))
	}
	return lines
}

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
