package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The options are what the command line asks for.
type options struct {
	workers int // 0 for as many as there are CPUs
	top     int
	verify  bool
	kill    int // workers to be killed
	quiet   bool
	paths   []string // none for the source tree of the installed Go
}

const usage = `usage: wordcount [flags] [PATH...]

Counts the words, runs of [A-Za-z0-9_], of all regular files at and below the
paths, with a pool of worker processes. Without a path it counts the source tree
of the installed Go.

`

// parseOptions reads the command line. It says on messages what is wrong with it;
// the error is flag.ErrHelp if help was asked for.
func parseOptions(args []string, messages io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("wordcount", flag.ContinueOnError)
	f.SetOutput(messages)
	f.IntVar(&o.workers, "workers", 0, "number of worker `processes`, 0 for as many as there are CPUs to use")
	f.IntVar(&o.top, "top", 10, "show the `n` most frequent words")
	f.BoolVar(&o.verify, "verify", false, "count again in one process without workers and compare")
	f.IntVar(&o.kill, "kill", 0, "kill `n` random workers on the way, to see that it does no harm")
	f.BoolVar(&o.quiet, "quiet", false, "print nothing but the last line, for machines")
	f.Usage = func() {
		fmt.Fprint(messages, usage)
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.paths = f.Args()
	if err := o.check(); err != nil {
		fmt.Fprintln(messages, "wordcount:", err)
		return o, err
	}
	return o, nil
}

func (o options) check() error {
	if o.workers < 0 {
		return fmt.Errorf("-workers is %d; it must be 0, for as many as there are CPUs, or more", o.workers)
	}
	if o.kill < 0 {
		return fmt.Errorf("-kill is %d; it must be 0 or more", o.kill)
	}
	if o.top < 0 {
		return fmt.Errorf("-top is %d; it must be 0 or more", o.top)
	}
	return nil
}

// findPaths returns the paths to count, all of which exist.
func (o options) findPaths() ([]string, error) {
	if len(o.paths) == 0 {
		root, err := goroot()
		if err != nil {
			return nil, fmt.Errorf("there is no PATH, and the source tree of Go was not found: %w", err)
		}
		return []string{filepath.Join(root, "src")}, nil
	}
	for _, path := range o.paths {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
	}
	return o.paths, nil
}

// goroot asks the go command where it is installed.
func goroot() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	root := strings.TrimSpace(string(out))
	if root == "" {
		return "", errors.New("go env GOROOT says nothing")
	}
	_, err = os.Stat(filepath.Join(root, "src"))
	return root, err
}
