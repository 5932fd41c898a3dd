package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/mpgo/mp/bench/internal/report"
	"github.com/mpgo/mp/bench/internal/result"
)

// options are what the command line asks for.
type options struct {
	rows   []*row
	passes int
	budget time.Duration // of a side, each pass
	quick  bool
	pin    bool
	json   bool
	check  bool
	html   *os.File // open already: a path that cannot be written is told at once
}

const (
	usualPasses = 5
	usualBudget = 300 * time.Millisecond
	quickPasses = 1
	quickBudget = 20 * time.Millisecond
)

// parseOptions reads the command line. It says what is wrong with it.
func parseOptions(args []string, stderr io.Writer) (o *options, err error) {
	o = new(options)
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pattern := flags.String("run", "", "measure the rows that match this regular `expression`")
	list := flags.Bool("list", false, "print the names of the rows, and measure nothing")
	html := flags.String("html", "", "write a page with charts to `file`")
	flags.IntVar(&o.passes, "passes", 0, fmt.Sprintf("measure everything so many times (default %d, with -quick %d)", usualPasses, quickPasses))
	flags.DurationVar(&o.budget, "budget", 0, fmt.Sprintf("measure each side so long in each pass (default %v, with -quick %v)", usualBudget, quickBudget))
	flags.BoolVar(&o.quick, "quick", false, "see that everything works, in a minute; the figures are rough")
	flags.BoolVar(&o.pin, "pin", true, "have each process run on a CPU of its own; with -pin=false the system decides")
	flags.BoolVar(&o.json, "json", false, "print one object a row in place of the table")
	flags.BoolVar(&o.check, "check", false, "exit with 1 if a row of mp does not reach what it must")
	if err := flags.Parse(args); err != nil {
		return nil, err // it has said what
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.fillIn(given)
	err = o.validate(*pattern, flags.Args())
	if err == nil && *list {
		o.list(stderr)
		return nil, flag.ErrHelp
	}
	if err == nil && *html != "" {
		o.html, err = os.OpenFile(*html, os.O_WRONLY|os.O_CREATE, 0o644)
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return nil, err
	}
	return o, nil
}

// fillIn sets what was not given.
func (o *options) fillIn(given map[string]bool) {
	passes, budget := usualPasses, usualBudget
	if o.quick {
		passes, budget = quickPasses, quickBudget
	}
	if !given["passes"] {
		o.passes = passes
	}
	if !given["budget"] {
		o.budget = budget
	}
}

func (o *options) validate(pattern string, rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: rows are chosen with -run", rest[0])
	case o.passes < 1:
		return fmt.Errorf("-passes %d: there must be at least 1", o.passes)
	case o.budget < time.Millisecond:
		return fmt.Errorf("-budget %v: it must be at least 1ms", o.budget)
	}
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	for _, r := range allRows(o.quick && pattern == "") {
		if expression.MatchString(r.name) {
			o.rows = append(o.rows, r)
		}
	}
	if len(o.rows) == 0 {
		return fmt.Errorf("-run %s: no such row; there are %s", pattern, strings.Join(rowNames(), ", "))
	}
	return nil
}

func (o *options) list(w io.Writer) {
	for _, r := range o.rows {
		fmt.Fprintf(w, "%-24s %s\n", r.name, r.title)
	}
}

// write writes the report in all forms that were asked for.
func (o *options) write(r *result.Report, stdout io.Writer) error {
	if o.html != nil {
		err := errors.Join(o.html.Truncate(0), report.HTML(o.html, r), o.html.Close())
		if err != nil {
			return err
		}
	}
	if o.json {
		return report.JSON(stdout, r)
	}
	return report.Table(stdout, r)
}

// Close closes what was opened; again is no harm.
func (o *options) Close() {
	if o.html != nil {
		_ = o.html.Close()
	}
}
