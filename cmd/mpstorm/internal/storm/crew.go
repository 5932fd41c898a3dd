package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mpgo/mp"
)

// A crew is the sailors, of whom each has a berth. When one is killed, its berth gets
// another. The captain is the only one who kills sailors, and says so first.
type crew struct {
	ctx    context.Context
	logs   Logs
	limit  time.Duration
	sailor *mp.Func[Articles, int]
	berths []*berth
	lives  atomic.Int64
	births atomic.Int64
	putOff atomic.Int64 // births, for want of memory
	failed func(format string, args ...any)

	mu      sync.Mutex // taken before that of a berth
	order   Order      // of the watch
	tallies []tally    // of the watch, by act
	deaths  []int      // of all watches before, by act
	leaving bool
}

// A berth is a sailor's place.
type berth struct {
	*crew
	number int
	gone   chan struct{} // closed when the last sailor has left

	mu     sync.Mutex
	p      *mp.Process // nil before the first, and between two
	life   int64
	doomed bool // somebody is about to kill p, or has
	asked  bool // p hangs, and is asked where
	orders *mp.Queue[Order]
}

func newCrew(ctx context.Context, o Options, l Logs, first Order, failed func(string, ...any)) *crew {
	c := &crew{
		ctx: ctx, logs: l, limit: o.Limit, sailor: o.Sailor, order: first, failed: failed,
		tallies: make([]tally, len(acts)), deaths: make([]int, len(acts)),
	}
	if c.sailor == nil {
		c.sailor = sailor
	}
	for i := range o.Procs {
		c.berths = append(c.berths, &berth{crew: c, number: i, gone: make(chan struct{})})
	}
	return c
}

// man starts a sailor for each berth.
func (c *crew) man() {
	for _, b := range c.berths {
		go b.keep()
	}
}

// keep keeps the berth manned, until a sailor leaves as it should, or must not.
func (b *berth) keep() {
	defer close(b.gone)
	for b.ctx.Err() == nil {
		p, err := b.man()
		switch {
		case full(err):
			b.putOff.Add(1)
			time.Sleep(time.Millisecond) // until others give memory back
			continue
		case err != nil:
			b.failed("no sailor for berth %d: %v", b.number, err)
			return
		}
		if !b.mourn(p) {
			return
		}
	}
}

// man starts a sailor.
func (b *berth) man() (*mp.Process, error) {
	orders, err := mp.NewQueue[Order](1)
	if err != nil {
		return nil, err
	}
	life := b.lives.Add(1)
	b.logs.unbury(life)
	// The lock is held meanwhile, so that nobody gives the sailor a second order of the
	// watch that it begins with.
	b.crew.mu.Lock()
	defer b.crew.mu.Unlock()
	if b.leaving {
		return nil, errors.Join(errors.New("born too late"), orders.Free())
	}
	p, err := b.sailor.Start(b.ctx, Articles{
		Berth: b.number, Life: life, Seed: rand.Uint64(), Limit: b.limit, Logs: b.logs, Orders: orders, First: b.order,
	}, mp.WithName(fmt.Sprintf("sailor-%08d", life)))
	if err != nil {
		return nil, errors.Join(err, orders.Free())
	}
	b.births.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.p, b.life, b.doomed, b.orders = p, life, false, orders
	return p, nil
}

// mourn waits for a sailor's end and reports whether the berth needs another.
func (b *berth) mourn(p *mp.Process) (again bool) {
	<-p.Done()
	doomed, asked, orders := b.vacate()
	err := p.Wait(context.Background())
	var exit *mp.ExitError
	switch {
	case b.ctx.Err() != nil || asked:
	case doomed && errors.As(err, &exit) && exit.Signal == syscall.SIGKILL:
		b.logs.recovered(clockDone, b.life, time.Time{}, time.Now())
		again = true
	case full(err): // there was no memory for it to be born with
		b.putOff.Add(1)
		again = true
	case errors.As(err, &exit) && exit.Signal == syscall.SIGINT: // before it came to ignore that
	case err != nil:
		b.failed("life %d in berth %d, %v, ended; it was %s: %v", b.life, b.number, p, b.unfinished(), err)
	}
	b.settle()
	if err := orders.Free(); err != nil {
		b.failed("orders of berth %d: %v", b.number, err)
	}
	return again
}

// vacate leaves the berth without a sailor, and returns what that one had.
func (b *berth) vacate() (doomed, asked bool, orders *mp.Queue[Order]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	orders = b.orders
	b.p, b.orders = nil, nil
	return b.doomed, b.asked, orders
}

// ask makes the berth's sailor, who hangs, say where, and returns that. SIGQUIT ends a
// Go program with the stacks of its goroutines.
func (b *berth) ask() string {
	b.mu.Lock()
	b.asked = true
	p := b.p
	b.mu.Unlock()
	if p == nil {
		return "nobody is there"
	}
	_ = p.Signal(syscall.SIGQUIT) // it may be dead
	err := p.Wait(context.Background())
	var exit *mp.ExitError
	if errors.As(err, &exit) {
		return fmt.Sprintf("%v\n%s", p, exit.Crash)
	}
	return fmt.Sprintf("%v: %v", p, err)
}

// settle adds up what the dead sailor of the berth left.
func (b *berth) settle() {
	b.crew.mu.Lock()
	defer b.crew.mu.Unlock()
	for i := range hands {
		b.logs.page(b.number*hands + i).settle(b.tallies)
	}
}

// unfinished is what the berth's hands are at.
func (b *berth) unfinished() string {
	var list []string
	for i := range hands {
		list = append(list, b.logs.page(b.number*hands+i).unfinished())
	}
	return strings.Join(list, " and ")
}

// doom says that the berth's sailor is going to be killed, and returns it; nil if
// there is none, or it is doomed already.
func (b *berth) doom() *mp.Process {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.p == nil || b.doomed {
		return nil
	}
	b.doomed = true
	b.logs.bury(b.life)
	return b.p
}

// manned is the berth's sailor, or nil.
func (b *berth) manned() *mp.Process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.p
}

// atRest reports whether the berth's sailor has finished the watch, and lives.
func (b *berth) atRest(watch int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.p != nil && !b.doomed && b.logs.page(b.number*hands).load(pageRest) == watch
}

// atRest reports whether all sailors have finished the watch.
func (c *crew) atRest(watch int64) bool {
	for _, b := range c.berths {
		if !b.atRest(watch) {
			return false
		}
	}
	return true
}

// tally is what the dead of the watch left in an act.
func (c *crew) tally(act int) tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tallies[act]
}

// closeTallies ends the tallies of a watch, and returns how many deaths they count.
func (c *crew) closeTallies() (deaths int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.tallies {
		deaths += t.deaths
		c.deaths[i] += t.deaths
	}
	clear(c.tallies)
	return deaths
}

// command gives all sailors, who are at rest, the order for the next watch. Those who
// are killed before they get it are followed by others, who begin with it.
func (c *crew) command(o Order) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order = o
	for _, b := range c.berths {
		if err := b.orders.TryPut(o); err != nil {
			return fmt.Errorf("the order for berth %d: %w", b.number, err)
		}
	}
	return nil
}

// dismiss lets all sailors, who are at rest, leave, and waits until they are gone.
func (c *crew) dismiss(ctx context.Context) error {
	c.mu.Lock()
	c.leaving = true
	c.mu.Unlock()
	for _, b := range c.berths {
		if err := b.orders.Close(); err != nil {
			return err
		}
	}
	for _, b := range c.berths {
		select {
		case <-b.gone:
		case <-ctx.Done():
			return fmt.Errorf("berth %d does not leave: %w", b.number, context.Cause(ctx))
		}
	}
	return nil
}
