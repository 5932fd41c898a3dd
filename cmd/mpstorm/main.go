// Command mpstorm kills processes that use the shared objects of mp, and checks that
// nobody else suffers.
//
//	go run ./cmd/mpstorm -minutes n [-procs n] [-html file] [-json file]
//
// lets a storm rage: a crew of processes uses all kinds of objects at random, large and
// small messages, pools and children of its own, in little memory, while its members
// are killed and stopped at random, and others are born in their places. Every ten
// seconds and at the end everybody comes to rest and all is accounted for: money in
// accounts, messages by their numbers, permits, bytes of shared memory. See package
// storm.
//
//	go run ./cmd/mpstorm [-kills n] [-objects names]
//
// tries one kind of object after the other. In each of so many rounds one process comes
// to own the object (or is about to wake those who wait), another one waits for it, and
// a third, the heir, waits as well; the first two get SIGKILL at random moments in
// random order, and the heir must go on. At the end every count must be as if nobody
// had ever died, and shared memory as full as at the beginning.
//
// It exits with 0 if all is well, with 1 if something was violated (what, is on
// stderr, with the seed) or it could not work, with 2 if the flags make no sense or the
// files cannot be written, and with 130 if it was interrupted.
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

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/cmd/mpstorm/internal/children"
	"github.com/mpgo/mp/cmd/mpstorm/internal/report"
	"github.com/mpgo/mp/cmd/mpstorm/internal/storm"
	"github.com/mpgo/mp/cmd/mpstorm/internal/succession"
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
	out, err := report.Open(o.html, o.json)
	if err != nil {
		fmt.Fprintln(stderr, "mpstorm:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer children.End()

	violations, err := o.weather(ctx, out, stdout)
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "mpstorm: interrupted")
		return exitInterrupted
	}
	if err != nil {
		fmt.Fprintln(stderr, "mpstorm:", err)
	}
	for _, v := range violations {
		fmt.Fprintf(stderr, "mpstorm: VIOLATED, with seed %d: %s\n", o.storm.Seed, v)
	}
	if err != nil || len(violations) > 0 {
		return exitViolated
	}
	return 0
}

// weather does what was asked for and returns what was violated. The error is one that
// kept it from doing so.
func (o options) weather(ctx context.Context, out *report.Files, stdout io.Writer) ([]string, error) {
	if o.minutes == 0 {
		sum, err := succession.Run(ctx, o.succession, stdout)
		return sum.Violations, err
	}
	o.storm.Progress = stdout
	fmt.Fprintf(stdout, "seed %d\n", o.storm.Seed)
	r, err := storm.Run(ctx, o.storm)
	if r == nil {
		return nil, err
	}
	report.Text(stdout, r)
	return r.Violations, errors.Join(err, out.Write(r))
}
