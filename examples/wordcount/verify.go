package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// countAlone counts in this one process and without the library. It passes over
// what cannot be read.
func countAlone(ctx context.Context, paths []string) (*table, summary, error) {
	start := time.Now()
	c, s := newCounter(), summary{}
	skip := func(error) { s.skipped++ }
	for p := range walk(paths, skip) {
		counted, err := c.countPiece(ctx, p)
		s.add(counted)
		if ctx.Err() != nil {
			return nil, s, ctx.Err()
		}
		if err != nil {
			skip(err)
		}
	}
	s.distinct = c.table.distinct()
	s.took = time.Since(start)
	return &c.table, s, nil
}

// differences names the words that two tables disagree about, at most limit of
// them.
func differences(a *packedTable, b *table, limit int) (found []string) {
	differ := func(word []byte, inA, inB int64) {
		if inA != inB && len(found) < limit {
			found = append(found, fmt.Sprintf("%s: %d times, counted again %d times", abbreviate(string(word)), inA, inB))
		}
	}
	all := new(table)
	for word, n := range a.all() {
		differ(word, n, b.count(word))
		all.add(word, n)
	}
	for word, n := range b.packed().all() {
		if all.count(word) == 0 {
			differ(word, 0, n)
		}
	}
	return found
}

// A differenceError says that two counts of the same files differ.
type differenceError struct {
	first, again summary
	words        []string
}

func (e *differenceError) Error() string {
	text := fmt.Sprintf("verify: counted again, there are %d files, %d bytes, %d words, %d of them distinct, instead of %d, %d, %d, %d",
		e.again.Files, e.again.Bytes, e.again.Words, e.again.distinct,
		e.first.Files, e.first.Bytes, e.first.Words, e.first.distinct)
	return strings.Join(append([]string{text}, e.words...), "\n\t")
}
