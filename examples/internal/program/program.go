// Package program is the frame that all examples have: flags, Ctrl-C and exit codes, and
// what several of them need.
// A program of your own has one like it, or does without.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/mpgo/mp"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 128 + int(syscall.SIGINT)
)

// endings are the signals that end a program: Ctrl-C, kill, a terminal that is closed,
// and output that nobody reads.
var endings = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE}

// A terminal sends Ctrl-C to all processes of a program, and each that writes may be the
// one that finds nobody to read it. Children leave both to their parent, which tells them
// by the end of their contexts, as the workers of a pool do with Ctrl-C.
func init() {
	if mp.IsChild() {
		signal.Ignore(os.Interrupt, syscall.SIGPIPE)
	}
}

// Main parses the flags, runs the program, and exits: with 0 if run returned nil, with 1
// if it failed, with 2 if the flags make no sense, with 130 if it was interrupted. In all
// cases run has returned by then, and the processes that it left have ended.
//
// The context that run gets ends with the first Ctrl-C; a second one kills.
func Main(run func(ctx context.Context) error) {
	flag.Parse() // exits with 2, too
	if flag.NArg() > 0 {
		say(fmt.Sprintf("%q makes no sense here; -h shows the flags", flag.Arg(0)))
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), endings...)
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGPIPE) // what is still printed on the way out
		stop()
	})
	err := run(ctx)
	if err != nil && !interrupted(err) {
		_ = Pause(ctx, moment)
	}
	code := exitCode(ctx, err)

	stop() // ctx has ended now in any case, and with it what is left
	_ = mp.Shutdown(ctx)
	os.Exit(code)
}

// moment is for hearing of a signal. Ctrl-C comes to all processes of a program at once: a
// child that has only just begun may have ended of it, and run may have failed for lack of
// that child, before this process is told.
const moment = 200 * time.Millisecond

func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil || interrupted(err):
		say("interrupted")
		return exitInterrupted
	default:
		say(err)
		return exitFailed
	}
}

// interrupted reports whether it was a child that such a signal ended: one that had only
// just begun.
func interrupted(err error) bool {
	var exit *mp.ExitError
	return errors.As(err, &exit) && slices.Contains(endings, os.Signal(exit.Signal))
}

func say(message any) { fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), message) }

// Count is like flag.Int, for a number that must be at least min.
func Count(name string, min, value int, usage string) *int {
	n := &count{value, min}
	flag.Var(n, name, usage)
	return &n.value
}

type count struct{ value, min int }

func (n *count) String() string { return strconv.Itoa(n.value) }

func (n *count) Set(s string) error {
	v, err := strconv.Atoi(s)
	if err != nil || v < n.min {
		return fmt.Errorf("it must be a whole number, %d or more", n.min)
	}
	n.value = v
	return nil
}

// Pause is time.Sleep for functions whose context may end.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
