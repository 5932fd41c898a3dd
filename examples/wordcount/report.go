package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// A wordCount is a word and how often it was seen.
type wordCount struct {
	word  string
	count int64
}

// topWords returns the n most frequent words, the most frequent first and words of
// one frequency in the order of their bytes.
func topWords(t *packedTable, n int) []wordCount {
	if n = min(n, t.distinct()); n == 0 {
		return nil
	}
	var top []wordCount
	best := func() {
		slices.SortFunc(top, func(a, b wordCount) int {
			return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.word, b.word))
		})
		top = top[:min(n, len(top))]
	}
	atLeast := int64(0)
	for word, count := range t.all() {
		if count < atLeast {
			continue
		}
		top = append(top, wordCount{string(word), count})
		if len(top) >= 2*n+64 {
			best()
			atLeast = top[n-1].count
		}
	}
	best()
	return top
}

// printTop writes one line a word.
func printTop(w io.Writer, top []wordCount) error {
	for _, t := range top {
		if _, err := fmt.Fprintf(w, "%10d  %s\n", t.count, abbreviate(t.word)); err != nil {
			return err
		}
	}
	return nil
}

// abbreviate keeps a word from filling the screen: a file may be one single word.
func abbreviate(word string) string {
	const longest = 60
	if len(word) <= longest {
		return word
	}
	return fmt.Sprintf("%s... (%d bytes)", word[:longest], len(word))
}

// A summary is what the last line says.
type summary struct {
	tally
	distinct int
	workers  int
	skipped  int
	took     time.Duration
}

// String is the last line, for machines.
func (s summary) String() string {
	return fmt.Sprintf("files=%d bytes=%d words=%d distinct=%d workers=%d seconds=%.3f skipped=%d",
		s.Files, s.Bytes, s.Words, s.distinct, s.workers, s.took.Seconds(), s.skipped)
}
