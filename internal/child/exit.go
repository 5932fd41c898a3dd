package child

import (
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/mpgo/mp/internal/sys"
)

// An Exit is how a process ended.
type Exit struct {
	Code   int            // exit code, or minus the signal's number
	Signal syscall.Signal // what killed it, or 0
	Crash  string         // beginning of the text of a fatal error, if there was one
	OOM    bool           // for want of memory
}

func (p *Process) exit() Exit {
	e := Exit{Crash: p.crashText()}
	state := p.cmd.ProcessState
	if state == nil {
		return e
	}
	e.Code = state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
		e.Code = -int(e.Signal)
	}
	e.OOM = ranOut(e.Crash) || p.limited && noThread(e.Crash) || e.Signal == syscall.SIGKILL && !p.killed.Load() && p.claimOOMKill()
	return e
}

// crashLimit is how much of a crash's text is kept: its beginning says what
// happened and its first goroutine where.
const crashLimit = 16 << 10

func (p *Process) crashText() string {
	text := make([]byte, crashLimit)
	n, _ := p.crash.ReadAt(text, 0)
	return fromCrash(string(text[:n]))
}

// beginnings are those of the lines with which the Go runtime begins to tell of a
// crash.
var beginnings = []string{
	"fatal error: ", "panic: ", "runtime: ", "unexpected fault address ", "SIG", "[signal ", "goroutine ",
}

// fromCrash leaves out what the program had printed by itself before it crashed; see
// sys.KeepLastWords.
func fromCrash(text string) string {
	at := 0
	for line := range strings.Lines(text) {
		if slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(line, b) }) {
			return text[at:]
		}
		at += len(line)
	}
	return text
}

// ranOut reports whether a crash is that of a Go program that got no memory: in the
// words of Go's runtime, above the first goroutine.
func ranOut(crash string) bool {
	for line := range strings.Lines(crash) {
		switch {
		case strings.HasPrefix(line, "goroutine "):
			return false
		case !strings.HasPrefix(line, "fatal error: "):
		case strings.Contains(line, "out of memory"), strings.Contains(line, "cannot allocate memory"):
			return true
		}
	}
	return false
}

// noThread reports whether a crash is that of a Go program with cgo that could not
// make a thread: where memory is limited, for want of the 8 MiB that the C library
// takes for the stack of one. It aborts itself, but not while it runs the user's C
// code (runtime.cgocall), and not because somebody sent the signal (sigcode 0).
func noThread(crash string) bool {
	return strings.HasPrefix(crash, "SIGABRT: abort\n") &&
		!strings.Contains(crash, " sigcode=0\n") && !strings.Contains(crash, "\nruntime.cgocall(")
}

// The kernel counts whom it killed for want of memory, but does not say whom. So a
// child that was killed by nobody we know of, and whose parent finds one kill more
// than were counted at the child's start, was the one. Each kill is claimed for one
// child.
var claimedOOMKills atomic.Int64

func unclaimedOOMKills() int64 { return sys.OOMKills() - claimedOOMKills.Load() }

func (p *Process) claimOOMKill() bool {
	for {
		claimed := claimedOOMKills.Load()
		if sys.OOMKills()-claimed <= p.unclaimed {
			return false
		}
		if claimedOOMKills.CompareAndSwap(claimed, claimed+1) {
			return true
		}
	}
}
