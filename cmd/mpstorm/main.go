// Command mpstorm kills processes that own objects of mp, and processes that wait
// for them, and checks that nobody else suffers.
//
//	go run ./cmd/mpstorm [-kills n] [-objects names] [-seed n] [-limit d]
//
// For each kind of object it does so many rounds. In each, one process comes to
// own the object (or is about to wake those who wait), another one waits for it,
// and a third, the heir, waits as well; the first two get SIGKILL at random moments
// in random order, and the heir must go on. At the end every count must be as if
// nobody had ever died, and shared memory as full as at the beginning.
//
// It exits with 0 if all is well, with 1 if something was violated (what, is on
// stderr) or it could not work, with 2 if the flags make no sense, and with 130 if
// it was interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mpgo/mp"
)

func main() {
	mp.Init()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

const (
	exitViolated    = 1
	exitUsage       = 2
	exitInterrupted = 128 + int(syscall.SIGINT)
)

// run is the program, and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer endChildren()

	sum, err := weather(ctx, o, stdout)
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "mpstorm: interrupted")
		return exitInterrupted
	}
	if err != nil {
		fmt.Fprintln(stderr, "mpstorm:", err)
		return exitViolated
	}
	for _, v := range sum.violations {
		fmt.Fprintln(stderr, "mpstorm: VIOLATED:", v)
	}
	if len(sum.violations) > 0 {
		return exitViolated
	}
	return 0
}

// endChildren ends every process that is left, whatever has happened.
func endChildren() {
	for _, p := range mp.ActiveChildren() {
		_ = p.Kill() // it may have ended just now
	}
	for _, p := range mp.ActiveChildren() {
		<-p.Done()
	}
}

// A summary is what all storms together have done.
type summary struct {
	owners, waiters int // killed
	violations      []string
}

func (s *summary) add(r result) {
	s.owners += r.owners
	s.waiters += r.waiters
	for _, v := range r.violations {
		s.violations = append(s.violations, r.name+": "+v)
	}
}

// weather lets a storm go over each kind of object, prints what came of it, and
// checks the memory. The error is one that kept it from doing so.
func weather(ctx context.Context, o options, stdout io.Writer) (summary, error) {
	var sum summary
	begun, before := time.Now(), mp.MemoryStats()
	fmt.Fprintf(stdout, "seed %d\n%s\n", o.seed, header)
	for _, k := range o.kinds {
		r, err := newStorm(k, o).run(ctx)
		if err != nil {
			return sum, fmt.Errorf("%s: %w", k.name, err)
		}
		if ctx.Err() != nil {
			return sum, ctx.Err()
		}
		fmt.Fprintln(stdout, r.row())
		sum.add(r)
	}
	after := mp.MemoryStats()
	if after != before {
		sum.violations = append(sum.violations, fmt.Sprintf("shared memory is not as full as before: %v, and %v at the end", before, after))
	}
	fmt.Fprintf(stdout, "shared memory in use: %d blocks, %d bytes; at the beginning: %d blocks, %d bytes\n",
		after.Blocks, after.Bytes, before.Blocks, before.Bytes)
	fmt.Fprintf(stdout, "%d owners and %d waiters of %d kinds of objects killed in %.1f s, %d violations\n",
		sum.owners, sum.waiters, len(o.kinds), time.Since(begun).Seconds(), len(sum.violations))
	return sum, nil
}
