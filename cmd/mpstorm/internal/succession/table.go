package succession

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const header = "object             owners  waiters     median    maximum   from kill to next owner"

// row is a result as a line under header.
func (r result) row() string {
	median, most := "-", "-"
	if times := slices.Sorted(slices.Values(r.times)); len(times) > 0 {
		median, most = milliseconds(times[len(times)/2]), milliseconds(times[len(times)-1])
	}
	row := fmt.Sprintf("%-17s %7d %8d %10s %10s", r.name, r.owners, r.waiters, median, most)
	if len(r.violations) > 0 {
		row += "   VIOLATED"
	}
	return strings.TrimRight(row, " ")
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
