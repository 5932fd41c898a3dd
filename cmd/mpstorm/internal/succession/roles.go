package succession

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/mpgo/mp"
)

// A part is what a process that will be killed gets to do.
type part struct {
	Kind  string
	Role  string
	Round int64
	Props props
	Ready *mp.Queue[string]
}

const (
	owner  = "owner"
	waiter = "waiter"
)

// victim plays its part and then waits to be killed. It returns only if something
// went wrong.
var victim = mp.Register("mpstorm.victim", func(ctx context.Context, p part) (int, error) {
	signal.Ignore(os.Interrupt) // Ctrl-C is the parent's affair
	k, ok := kindOf(p.Kind)
	if !ok {
		return 0, fmt.Errorf("there is no object %q", p.Kind)
	}
	a := act{props: &p.Props, round: p.Round, got: func() {}}
	a.ready = func() { _ = p.Ready.Put(ctx, p.Role) } // the parent waits for that
	play := k.own
	if p.Role == waiter {
		a.ready()
		play = k.wait
	}
	if err := play(ctx, a); err != nil {
		return 0, err
	}
	select {}
})

// An order tells the heir to wait for an object.
type order struct {
	Round int64
	Props props
}

// A report is what the heir says: that it is about to wait, and how that ended.
type report struct {
	Round int64
	Got   int64 // the time, in ns of the wall clock; 0 as long as it waits
	Err   string
}

// A legacy is what the heir gets at first.
type legacy struct {
	Kind    string
	Orders  *mp.Queue[order]
	Reports *mp.Queue[report]
}

// heir outlives all the others.
var heir = mp.Register("mpstorm.heir", func(ctx context.Context, l legacy) (int, error) {
	signal.Ignore(os.Interrupt)
	k, ok := kindOf(l.Kind)
	if !ok {
		return 0, fmt.Errorf("there is no object %q", l.Kind)
	}
	rounds := 0
	for o, err := range l.Orders.All(ctx) {
		if err != nil {
			return rounds, err
		}
		if err := l.Reports.Put(ctx, report{Round: o.Round}); err != nil {
			return rounds, err
		}
		if err := l.Reports.Put(ctx, o.wait(ctx, k)); err != nil {
			return rounds, err
		}
		rounds++
	}
	return rounds, ctx.Err()
})

// wait waits as the order says.
func (o order) wait(ctx context.Context, k Kind) report {
	r := report{Round: o.Round}
	a := act{props: &o.Props, round: o.Round, got: func() { r.Got = time.Now().UnixNano() }}
	err := k.wait(ctx, a)
	if err == nil {
		err = o.Props.free()
	}
	if err != nil {
		r.Err = err.Error()
	} else if r.Got == 0 {
		r.Err = "it never had the object"
	}
	return r
}
