// Command bench measures mp side by side with what the machine can do and with what
// else a Go program could use between processes.
//
//	go run -C bench . [flags]
//
// Each thing that is measured is a row; each row has several sides: the limit (a C
// program that knows what it wants and need not survive anything), peers, and mp.
// Each side of a row runs in processes of its own, pinned and warmed up, one side
// after the other, and the whole several times over: in passes. A ratio is taken
// within a pass, and what is printed is the middle of the passes' ratios. Those in
// which a hypervisor moved the CPUs between the two sides do not count.
//
// It runs on Linux. It exits with 0, with 1 if it could not measure, or not mp, or if
// -check found a row that does not reach what it must, with 2 if the flags make no
// sense, and with 130 if it was interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/mpgo/mp/bench/internal/flip"
	"github.com/mpgo/mp/bench/internal/plugin"
	"github.com/mpgo/mp/bench/internal/side"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 128 + int(syscall.SIGINT)
)

func main() {
	if code, played := play(os.Args[1:]); played {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// play plays a side, or another process of one, if that is what this process was
// started for.
func play(args []string) (code int, played bool) {
	if plugin.Play(args) {
		return 0, true
	}
	sides := map[string]side.Works{
		canaryName:    canaryWorks,
		flip.Name:     flip.Works(),
		plugin.NetRPC: plugin.Works(plugin.NetRPC),
		plugin.GRPC:   plugin.Works(plugin.GRPC),
	}
	return side.Play(args, sides, map[string]side.Second{flip.Name: flip.Serve})
}

// run is the bench, and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return exitUsage
	}
	defer o.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	// The kernel ends a side when the thread ends that started it.
	runtime.LockOSThread()
	report, err := measure(ctx, o, newProgress(stderr))
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "interrupted")
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if err := o.write(report, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if !works(report, stderr) || o.check && !reaches(report, stderr) {
		return exitFailed
	}
	return 0
}
