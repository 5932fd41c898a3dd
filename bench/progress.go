package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// progress tells people how far the bench is: a line for each pass, and on a
// terminal one that changes.
type progress struct {
	out      io.Writer
	terminal bool
	passes   int
	sides    int // to be measured in all passes
	done     int
	started  time.Time
	at       int // the pass, from 0
}

func newProgress(w io.Writer) *progress {
	f, isFile := w.(*os.File)
	return &progress{out: w, terminal: isFile && isTerminal(f)}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

const clearLine = "\r\x1b[K"

// say prints a line.
func (p *progress) say(text string) {
	p.wipe()
	fmt.Fprintln(p.out, text)
}

func (p *progress) wipe() {
	if p.terminal {
		fmt.Fprint(p.out, clearLine)
	}
}

func (p *progress) begin(o *options, races []*race) {
	p.passes, p.started = o.passes, time.Now()
	for _, r := range races {
		p.sides += o.passes * o.lapsOf(r.row) * len(r.entrants)
	}
}

// pass tells that a pass begins, and where the machine has its CPUs.
func (p *progress) pass(n int, latency float64) {
	p.at = n
	where := ""
	if latency > 0 {
		where = fmt.Sprintf(": %.0f ns from core to core and back", latency)
	}
	p.say(fmt.Sprintf("pass %d of %d%s", n+1, p.passes, where))
}

// side tells which side is measured now.
func (p *progress) side(row, name string) {
	if p.terminal {
		fmt.Fprintf(p.out, "%s%3d %%  %s  pass %d  %s  %s", clearLine, 100*p.done/max(p.sides, 1),
			time.Since(p.started).Round(time.Second), p.at+1, row, name)
	}
}

func (p *progress) end() { p.wipe() }
