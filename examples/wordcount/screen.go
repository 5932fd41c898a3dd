package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mpgo/mp"
)

// A screen is where messages appear, above the line of progress if there is one. Its
// methods may be called from several goroutines.
type screen struct {
	progress *mp.Progress
	mu       sync.Mutex
	problems map[string]bool
}

func newScreen(w io.Writer) *screen {
	return &screen{progress: &mp.Progress{Output: w}, problems: make(map[string]bool)}
}

// complain names something that could not be read, once: each piece of a large file
// may fail.
func (s *screen) complain(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := err.Error(); !s.problems[text] {
		s.problems[text] = true
		s.say(text)
	}
}

// say prints a message.
func (s *screen) say(message any) { fmt.Fprintln(s.progress, "wordcount:", message) }

// skipped is how many files and folders were complained of.
func (s *screen) skipped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.problems)
}

// progressLine says how far the count is. It fits into 80 columns.
func progressLine(seen tally, busy, workers int, elapsed time.Duration) string {
	rate := 0.0
	if s := elapsed.Seconds(); s > 0 {
		rate = float64(seen.Words) / s / 1e6
	}
	return fmt.Sprintf("%d files  %.1f MB  %.1f M words/s  %d of %d workers busy",
		seen.Files, float64(seen.Bytes)/1e6, rate, busy, workers)
}
