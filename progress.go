package mp

import (
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"time"
)

// A Progress shows people how far a loop over results is: on a terminal a bar that is
// redrawn in place, elsewhere a line every ten seconds. Set what is wanted of its
// fields, and wrap the results in Track:
//
//	progress := &mp.Progress{Pool: pool, Total: len(pages)}
//	for text, err := range mp.Track(progress, ocr.MapSeq(ctx, pool, slices.Values(pages))) {
//
// Messages that are printed meanwhile should be written to it: they appear above the
// bar. Without Track it only passes them on. It must not be copied. Python: tqdm.
type Progress struct {
	Output io.Writer // os.Stderr if nil; a bar is for an *os.File that is a terminal
	Pool   *Pool     // whose workers and deaths are shown; may be nil
	Total  int       // how many results there will be; 0 if that is not known

	// Line makes the text; nil for the usual one. It should fit into 80 columns.
	Line func(ProgressState) string

	mu    sync.Mutex
	begin time.Time // zero while there is nothing to show
	done  int
	drawn bool // the bar is there
	bar   bool // Output is a terminal
}

// A ProgressState is what a Progress can show.
type ProgressState struct {
	Done, Total int           // results; Total is 0 if it is not known
	Elapsed     time.Duration // since the loop began
	Rate        float64       // results a second
	Left        time.Duration // that it will take; 0 if nobody can tell
	Pool        PoolStats     // zero without a pool
}

const (
	redrawEvery = 100 * time.Millisecond
	lineEvery   = 10 * time.Second

	toLineStart = "\r"
	eraseLine   = "\x1b[K"
	barWidth    = 15
)

// Track yields what results yields, and shows on p how far that is.
func Track[T any](p *Progress, results iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer p.show()()
		for v, err := range results {
			p.step()
			if !yield(v, err) {
				return
			}
		}
	}
}

// step counts a result.
func (p *Progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}

// show shows the progress until the returned function is called, which takes the bar
// away.
func (p *Progress) show() (stop func()) {
	p.mu.Lock()
	p.begin, p.done, p.bar = time.Now(), 0, p.bar || isTerminal(p.Output)
	every := lineEvery
	if p.bar {
		p.draw()
		every = redrawEvery
	}
	p.mu.Unlock()
	done := make(chan struct{})
	var drawer sync.WaitGroup
	drawer.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.tick()
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		drawer.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.erase()
		p.begin = time.Time{}
	}
}

func (p *Progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw()
}

// draw shows how far it is. mu is held.
func (p *Progress) draw() {
	if !p.bar {
		_, _ = fmt.Fprintln(p.output(), p.line())
		return
	}
	_, _ = fmt.Fprint(p.output(), toLineStart, p.line(), eraseLine)
	p.drawn = true
}

func (p *Progress) erase() {
	if p.drawn {
		_, _ = fmt.Fprint(p.output(), toLineStart, eraseLine)
		p.drawn = false
	}
}

// Write writes a message, of whole lines, above the bar.
func (p *Progress) Write(message []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	return p.output().Write(message)
}

func (p *Progress) output() io.Writer {
	if p.Output == nil {
		return os.Stderr
	}
	return p.Output
}

func (p *Progress) line() string {
	s := ProgressState{Done: p.done, Total: p.Total, Elapsed: time.Since(p.begin)}
	if seconds := s.Elapsed.Seconds(); seconds > 0 {
		s.Rate = float64(s.Done) / seconds
	}
	if s.Rate > 0 && s.Total > s.Done {
		s.Left = time.Duration(float64(s.Total-s.Done) / s.Rate * float64(time.Second))
	}
	if p.Pool != nil {
		s.Pool = p.Pool.Stats()
	}
	if p.Line != nil {
		return p.Line(s)
	}
	return s.String()
}

// String is the usual line.
func (s ProgressState) String() string {
	var b strings.Builder
	if s.Total > 0 {
		part := min(float64(s.Done)/float64(s.Total), 1)
		full := int(part * barWidth)
		fmt.Fprintf(&b, "[%s%s] %3.0f%% ", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*part)
		fmt.Fprintf(&b, "%d/%d", s.Done, s.Total)
	} else {
		fmt.Fprintf(&b, "%d", s.Done)
	}
	digits := 1
	if s.Rate >= 1000 {
		digits = 0
	}
	fmt.Fprintf(&b, "  %.*f/s", digits, s.Rate)
	if s.Left > 0 {
		fmt.Fprintf(&b, "  %v left", s.Left.Round(time.Second))
	}
	if s.Pool.Workers > 0 {
		fmt.Fprintf(&b, "  %d of %d busy", s.Pool.Busy, s.Pool.Workers)
	}
	if s.Pool.Died > 0 {
		fmt.Fprintf(&b, "  %d died", s.Pool.Died)
	}
	return b.String()
}

// isTerminal reports whether w is a terminal that understands control characters.
func isTerminal(w io.Writer) bool {
	if w == nil {
		w = os.Stderr
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("TERM") == "dumb" {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
