// Command wordcount counts the words of all files below some paths with a pool of
// worker processes. It is the example to read first: what is counted in walk.go and
// count.go knows nothing of processes, workers.go is all that does.
//
//	go run ./examples/wordcount [flags] [PATH...]
//
// A word is a run of [A-Za-z0-9_], so that the figure can be compared with
//
//	LC_ALL=C grep -aohE '[A-Za-z0-9_]+' -r PATH | wc -l
//
// It exits with 0 if all went well, also if some files could not be read (their
// number is in the last line, their names are on stderr), with 1 if it could not
// count or -verify found a difference, with 2 if the flags make no sense, and with
// 130 if it was interrupted.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/mpgo/mp"
)

func main() {
	mp.Init()
	os.Exit(run(os.Args[1:]))
}

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 128 + int(syscall.SIGINT)
)

// run is the program, and returns its exit code.
func run(args []string) int {
	o, err := parseOptions(args, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // whoever cannot wait interrupts again

	s := newScreen(os.Stderr)
	err = wordcount(ctx, o, s, os.Stdout)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		s.say("interrupted")
		return exitInterrupted
	default:
		s.say(err)
		return exitFailed
	}
}

// wordcount counts and prints what was asked for.
func wordcount(ctx context.Context, o options, s *screen, stdout io.Writer) error {
	paths, err := o.findPaths()
	if err != nil {
		return err
	}
	words, sum, err := countWithPool(ctx, paths, o, s)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	if !o.quiet {
		printTop(out, topWords(words, o.top))
	}
	if o.verify {
		err = verify(ctx, o, words, sum, out)
	}
	fmt.Fprintln(out, sum)
	return errors.Join(err, out.Flush())
}

// verify counts again and compares.
func verify(ctx context.Context, o options, words *packedTable, sum summary, out io.Writer) error {
	paths, err := o.findPaths()
	if err != nil {
		return err
	}
	again, alone, err := countAlone(ctx, paths)
	if err != nil {
		return err
	}
	if found := differences(words, again, 5); len(found) > 0 || sum.tally != alone.tally {
		return &differenceError{sum, alone, found}
	}
	if !o.quiet {
		fmt.Fprintf(out, "verified: one process counts the same, in %.3f seconds (%d workers: %.2f of that)\n",
			alone.took.Seconds(), sum.workers, sum.took.Seconds()/alone.took.Seconds())
	}
	return nil
}
