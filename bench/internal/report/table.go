// Package report prints what the bench found out: as a table, as JSON, as a page.
package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mpgo/mp/bench/internal/result"
)

var header = []string{"row", "unit", "mp", "p99", "spread", "limit", "ratio", "must", "aim", "", "best peer", "its figure", "mp is"}

// Table prints a line for each row, and below it what is missing.
func Table(w io.Writer, r *result.Report) error {
	lines := [][]string{header}
	for _, row := range r.Rows {
		lines = append(lines, line(row, r.SlowAbove()))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n%s\n\n", r.Machine, run(r))
	align(&b, lines)
	b.WriteString("\n")
	for _, remark := range remarks(r) {
		fmt.Fprintln(&b, remark)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// run says how it was measured.
func run(r *result.Report) string {
	text := fmt.Sprintf("%d passes, %v", r.Passes, r.Took.Round(time.Second))
	if r.Passes == 1 {
		text = strings.Replace(text, "passes", "pass", 1)
	}
	if r.Commit != "" {
		text = "commit " + r.Commit + ", " + text
	}
	if r.Quick {
		text += ", quick: the figures are rough"
	}
	return text
}

func line(row *result.Row, slowAbove float64) []string {
	name := row.Name
	if row.SlowPasses(slowAbove) > 0 {
		name += " *"
	}
	cells := []string{name, row.Unit.Name}
	cells = append(cells, ourCells(row)...)
	cells = append(cells, row.Must.Format(row.Unit), row.Aim.Format(row.Unit), mark(row))
	return append(cells, peerCells(row)...)
}

// ourCells are mp's figures and the limit's.
func ourCells(row *result.Row) []string {
	ours, standard := row.Ours(), row.Standard()
	limit, ratio := figure(row, row.Limit()), ""
	if ours == nil || !ours.Measured() {
		return []string{figure(row, ours), "", "", limit, ""}
	}
	if standard != nil && standard.Measured() {
		ratio = times(ours.RatioTo(standard))
		if standard.Kind == result.Base {
			ratio += " " + standard.Name
		}
	}
	low, high := ours.Spread()
	return []string{
		figure(row, ours), p99(row, ours), row.Unit.Format(low) + "…" + row.Unit.Format(high), limit, ratio,
	}
}

func peerCells(row *result.Row) []string {
	best, ours := row.BestPeer(), row.Ours()
	if best == nil {
		return []string{"", "", ""}
	}
	compared := ""
	if ours != nil && ours.Measured() {
		ratio, rough := ours.RatioTo(best)
		compared = advantage(row.Unit, ratio, rough)
	}
	return []string{best.Name, figure(row, best), compared}
}

// figure is a side's middle figure, or a word for why there is none.
func figure(row *result.Row, s *result.Side) string {
	switch {
	case s == nil:
		return ""
	case s.Measured():
		return row.Unit.Format(s.Median())
	case s.Never():
		return "never"
	case s.Missing != "":
		return "missing"
	case s.Failed != "":
		return "failed"
	}
	return ""
}

func p99(row *result.Row, s *result.Side) string {
	if p := s.P99(); p != 0 && !math.IsNaN(p) {
		return row.Unit.Format(p)
	}
	return ""
}

func times(ratio float64, rough bool) string {
	if math.IsNaN(ratio) {
		return ""
	}
	return roughly(rough) + result.Digits(ratio) + " ×"
}

func roughly(rough bool) string {
	if rough {
		return "~"
	}
	return ""
}

// advantage says how mp compares with a peer whose figure is a ratio less.
func advantage(u result.Unit, ratio float64, rough bool) string {
	about := roughly(rough)
	switch {
	case math.IsNaN(ratio) || ratio == 0:
		return ""
	case u.Higher && ratio < 1:
		return about + result.Digits(1/ratio) + " × slower"
	case u.Higher:
		return about + result.Digits(ratio) + " × faster"
	case ratio > 1:
		return about + result.Digits(ratio) + " × more"
	}
	return about + result.Digits(1/ratio) + " × less"
}

// mark says in one sign how the row stands to what is asked.
func mark(row *result.Row) string {
	if v := row.Verdict(row.Must); v != result.Reached {
		return map[result.Verdict]string{result.Missed: "✗", result.Unknown: "?"}[v]
	}
	if row.Verdict(row.Aim) == result.Reached {
		return "✓✓"
	}
	return "✓"
}

// align pads the cells of each column to the same width.
func align(b *strings.Builder, lines [][]string) {
	width := make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, c := range cells {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, cells := range lines {
		var text strings.Builder
		for i, c := range cells {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if isNumber[i] {
				text.WriteString(pad + c + "  ")
			} else {
				text.WriteString(c + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
}

// isNumber are the columns that are aligned at the right.
var isNumber = map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 11: true}
