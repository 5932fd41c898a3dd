package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/mpgo/mp/cmd/mpstorm/internal/storm"
	"github.com/mpgo/mp/cmd/mpstorm/internal/succession"
)

// The options are what the command line asks for.
type options struct {
	minutes    float64 // of storm; 0 for a succession
	storm      storm.Options
	succession succession.Options
	html, json string // files for the report, or empty
}

const usage = `usage: mpstorm -minutes n [-procs n] [-html file] [-json file] [flags]
       mpstorm [-kills n] [-objects names] [flags]

The first lets a crew of processes use all shared objects at random while they are
killed and stopped, and accounts for everything again and again. The second kills
processes that own shared objects, and processes that wait for them, kind by kind, and
checks that the next one goes on.

`

const (
	maxKills   = 1_000_000
	maxMinutes = 7 * 24 * 60
	maxProcs   = 200
)

// parseOptions reads the command line. It says on messages what is wrong with it;
// the error is flag.ErrHelp if help was asked for.
func parseOptions(args []string, messages io.Writer) (o options, err error) {
	var objects string
	var seed uint64
	var limit time.Duration
	f := flag.NewFlagSet("mpstorm", flag.ContinueOnError)
	f.SetOutput(messages)
	f.Float64Var(&o.minutes, "minutes", 0, "let a storm rage for `n` minutes")
	f.IntVar(&o.storm.Procs, "procs", 6, "with a crew of `n` processes")
	f.StringVar(&o.html, "html", "", "write the storm's report to `file`, as a page that needs nothing else")
	f.StringVar(&o.json, "json", "", "write the storm's report to `file`, as JSON")
	f.IntVar(&o.succession.Kills, "kills", 100, "without -minutes: kill `n` owners of each kind of object, and as many who wait")
	f.StringVar(&objects, "objects", "all", "of these kinds of objects, a comma-separated list of `names`:\n"+succession.Names())
	f.Uint64Var(&seed, "seed", 0, "decides about the moments of the kills, 0 for any")
	f.DurationVar(&limit, "limit", 30*time.Second, "call it a hang when nobody goes on for so long")
	f.Usage = func() {
		fmt.Fprint(messages, usage)
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	set := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if seed == 0 {
		seed = 1 + rand.Uint64N(1_000_000)
	}
	o.storm.Duration = time.Duration(o.minutes * float64(time.Minute))
	o.storm.Seed, o.succession.Seed = seed, seed
	o.storm.Limit, o.succession.Limit = limit, limit
	if err = o.check(f.Args(), set); err == nil {
		if o.succession.Kinds, err = succession.Named(objects); err != nil {
			err = fmt.Errorf("-objects: %w", err)
		}
	}
	if err != nil {
		fmt.Fprintln(messages, "mpstorm:", err)
	}
	return o, err
}

// check says what makes no sense; set has the flags that were given.
func (o options) check(rest []string, set map[string]bool) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is no flag; there are no arguments but flags", rest[0])
	case set["minutes"] && !(o.minutes > 0 && o.minutes <= maxMinutes):
		return fmt.Errorf("-minutes is %v; it must be more than 0 and at most %d", o.minutes, maxMinutes)
	case o.storm.Procs < 1 || o.storm.Procs > maxProcs:
		return fmt.Errorf("-procs is %d; it must be between 1 and %d", o.storm.Procs, maxProcs)
	case o.succession.Kills < 1 || o.succession.Kills > maxKills:
		return fmt.Errorf("-kills is %d; it must be between 1 and %d", o.succession.Kills, maxKills)
	case o.storm.Limit <= 0:
		return fmt.Errorf("-limit is %v; it must be more than nothing", o.storm.Limit)
	case set["minutes"] && (set["kills"] || set["objects"]):
		return errors.New("-kills and -objects are not for a storm: leave them out, or -minutes")
	case !set["minutes"] && (set["procs"] || set["html"] || set["json"]):
		return errors.New("-procs, -html and -json are for a storm: -minutes is missing")
	}
	return nil
}
