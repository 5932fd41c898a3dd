package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// The options are what the command line asks for.
type options struct {
	kills int
	kinds []kind
	seed  uint64
	limit time.Duration
}

const usage = `usage: mpstorm [flags]

Kills processes that own shared objects, and processes that wait for them, and
checks that nobody else hangs, that every count balances at the end, and that
shared memory is as full as at the beginning.

`

const maxKills = 1_000_000

// parseOptions reads the command line. It says on messages what is wrong with it;
// the error is flag.ErrHelp if help was asked for.
func parseOptions(args []string, messages io.Writer) (options, error) {
	var o options
	var objects string
	f := flag.NewFlagSet("mpstorm", flag.ContinueOnError)
	f.SetOutput(messages)
	f.IntVar(&o.kills, "kills", 100, "kill `n` owners of each kind of object, and as many who wait")
	f.StringVar(&objects, "objects", "all", "kinds of objects, a comma-separated list of `names`:\n"+names())
	f.Uint64Var(&o.seed, "seed", 0, "decides about the moments of the kills, 0 for any")
	f.DurationVar(&o.limit, "limit", 30*time.Second, "call it a hang when nobody goes on for so long")
	f.Usage = func() {
		fmt.Fprint(messages, usage)
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	err := o.check(f.Args())
	if err == nil {
		o.kinds, err = named(objects)
	}
	if o.seed == 0 {
		o.seed = 1 + rand.Uint64N(1_000_000)
	}
	if err != nil {
		fmt.Fprintln(messages, "mpstorm:", err)
	}
	return o, err
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is no flag; there are no arguments but flags", rest[0])
	case o.kills < 1 || o.kills > maxKills:
		return fmt.Errorf("-kills is %d; it must be between 1 and %d", o.kills, maxKills)
	case o.limit <= 0:
		return fmt.Errorf("-limit is %v; it must be more than nothing", o.limit)
	}
	return nil
}

// names are those of all kinds.
func names() string {
	var list []string
	for _, k := range kinds {
		list = append(list, k.name)
	}
	return strings.Join(list, ",")
}

// named finds the kinds of a list of names.
func named(list string) ([]kind, error) {
	if list == "all" {
		return kinds, nil
	}
	var found []kind
	for name := range strings.SplitSeq(list, ",") {
		k, ok := kindOf(strings.TrimSpace(name))
		if !ok {
			return nil, fmt.Errorf("-objects has %q; there are %s, and all", name, names())
		}
		found = append(found, k)
	}
	return found, nil
}

func kindOf(name string) (kind, bool) {
	for _, k := range kinds {
		if strings.EqualFold(k.name, name) {
			return k, true
		}
	}
	return kind{}, false
}
