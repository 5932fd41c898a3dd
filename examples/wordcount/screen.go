package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// A screen is where messages appear, and, if it is a terminal, one line of progress
// that is redrawn below them. Its methods may be called from several goroutines.
type screen struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	drawn    bool // the progress line is there
	problems map[string]bool
}

const (
	toLineStart = "\r"
	eraseLine   = "\x1b[K"
	redrawEvery = 100 * time.Millisecond
)

func newScreen(f *os.File) *screen {
	return &screen{w: f, terminal: isTerminal(f), problems: make(map[string]bool)}
}

// isTerminal reports whether f is a terminal that understands control characters.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("TERM") == "dumb" {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// complain names something that could not be read, once: each piece of a large file
// may fail.
func (s *screen) complain(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := err.Error(); !s.problems[text] {
		s.problems[text] = true
		s.print(text)
	}
}

// say prints a message.
func (s *screen) say(message any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print(message)
}

func (s *screen) print(message any) {
	s.erase()
	fmt.Fprintln(s.w, "wordcount:", message)
}

// skipped is how many files and folders were complained of.
func (s *screen) skipped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.problems)
}

// draw puts line in the place of the one drawn before.
func (s *screen) draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.w, toLineStart, line, eraseLine)
	s.drawn = true
}

func (s *screen) erase() {
	if s.drawn {
		fmt.Fprint(s.w, toLineStart, eraseLine)
		s.drawn = false
	}
}

// follow redraws the progress line until the returned function is called, which
// takes the line away. On anything but a terminal it does nothing.
func (s *screen) follow(line func() string) (stop func()) {
	if !s.terminal {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(redrawEvery)
		defer tick.Stop()
		for {
			s.draw(line())
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.erase()
	}
}

// progressLine says how far the count is. It fits into 80 columns.
func progressLine(seen tally, busy int64, workers int, elapsed time.Duration) string {
	rate := 0.0
	if s := elapsed.Seconds(); s > 0 {
		rate = float64(seen.Words) / s / 1e6
	}
	return fmt.Sprintf("%d files  %.1f MB  %.1f M words/s  %d of %d workers busy",
		seen.Files, float64(seen.Bytes)/1e6, rate, busy, workers)
}
