// Package succession kills processes that own a shared object, and processes that wait
// for it, one kind of object after the other, and checks that the next in line goes on
// soon and that every count is as if nobody had ever died.
package succession

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mpgo/mp"
)

// Options are what is tried.
type Options struct {
	Kinds []Kind
	Kills int           // owners of each kind, and as many who wait
	Seed  uint64        // decides about the moments of the kills
	Limit time.Duration // it is a hang when nobody goes on for so long
}

// A Summary is what all trials together have shown.
type Summary struct {
	owners, waiters int // killed
	Violations      []string
}

func (s *Summary) add(r result) {
	s.owners += r.owners
	s.waiters += r.waiters
	for _, v := range r.violations {
		s.Violations = append(s.Violations, r.name+": "+v)
	}
}

// Run tries each kind of object, prints what came of it, and checks the memory. The
// error is one that kept it from doing so.
func Run(ctx context.Context, o Options, stdout io.Writer) (Summary, error) {
	var sum Summary
	begun, before := time.Now(), mp.MemoryStats()
	fmt.Fprintf(stdout, "seed %d\n%s\n", o.Seed, header)
	for _, k := range o.Kinds {
		r, err := newTrial(k, o).run(ctx)
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
		sum.Violations = append(sum.Violations, fmt.Sprintf("shared memory is not as full as before: %v, and %v at the end", before, after))
	}
	fmt.Fprintf(stdout, "shared memory in use: %d blocks, %d bytes; at the beginning: %d blocks, %d bytes\n",
		after.Blocks, after.Bytes, before.Blocks, before.Bytes)
	fmt.Fprintf(stdout, "%d owners and %d waiters of %d kinds of objects killed in %.1f s, %d violations\n",
		sum.owners, sum.waiters, len(o.Kinds), time.Since(begun).Seconds(), len(sum.Violations))
	return sum, nil
}

// Names are those of all kinds.
func Names() string {
	var list []string
	for _, k := range kinds {
		list = append(list, k.name)
	}
	return strings.Join(list, ",")
}

// Named finds the kinds of a comma-separated list of names; all stands for all.
func Named(list string) ([]Kind, error) {
	if list == "all" {
		return kinds, nil
	}
	var found []Kind
	for name := range strings.SplitSeq(list, ",") {
		k, ok := kindOf(strings.TrimSpace(name))
		if !ok {
			return nil, fmt.Errorf("%q is no kind of object; there are %s, and all", name, Names())
		}
		found = append(found, k)
	}
	return found, nil
}

func kindOf(name string) (Kind, bool) {
	for _, k := range kinds {
		if strings.EqualFold(k.name, name) {
			return k, true
		}
	}
	return Kind{}, false
}
