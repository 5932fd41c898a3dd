// Command condition has guests who eat from one pot and a cook who fills it when it is
// empty: they wait for a change of the pot on a Cond.
//
// Python: Condition with wait_for and notify_all.
//
//	$ go run ./examples/condition
//	the cook fills the pot
//	guest 1 eats, 2 left
//	guest 2 eats, 1 left
//	guest 1 eats, 0 left
//	the cook fills the pot
//	guest 2 eats, 2 left
//	guest 1 eats, 1 left
//	guest 2 eats, 0 left
//	6 portions were eaten
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A pot is what all share. Portions belongs to whoever has the lock of Changed.
type pot struct {
	Portions *mp.Value[int]
	Changed  *mp.Cond
}

// change waits until the pot is ready for f, and lets f change it.
func (p pot) change(ctx context.Context, ready func() bool, f func() error) error {
	return p.Changed.Mutex().With(ctx, func() error {
		if err := p.Changed.WaitFor(ctx, ready); err != nil {
			return err
		}
		return errors.Join(f(), p.Changed.NotifyAll())
	})
}

const full = 3

// A cook fills the pot for ever.
type cook struct{ Pot pot }

var cooks = mp.RegisterType[cook]("cook")

func (c *cook) Run(ctx context.Context) error {
	empty := func() bool { return c.Pot.Portions.Load() == 0 }
	for {
		err := c.Pot.change(ctx, empty, func() error {
			fmt.Println("the cook fills the pot")
			return c.Pot.Portions.Store(full)
		})
		if err != nil {
			return err
		}
	}
}

type guest struct {
	Number, Meals int
	Pot           pot
}

var guests = mp.RegisterType[guest]("guest")

func (g *guest) Run(ctx context.Context) error {
	filled := func() bool { return g.Pot.Portions.Load() > 0 }
	for range g.Meals {
		err := g.Pot.change(ctx, filled, func() error {
			left, err := mp.Add(g.Pot.Portions, -1)
			fmt.Printf("guest %d eats, %d left\n", g.Number, left)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func main() {
	mp.Init()
	n := program.Count("guests", 1, 2, "how many `processes` eat")
	meals := program.Count("meals", 1, 3, "how many portions each of them eats")
	program.Main(func(ctx context.Context) error { return run(ctx, *n, *meals) })
}

func run(ctx context.Context, n, meals int) error {
	lock, err1 := mp.NewMutex()
	portions, err2 := mp.NewValue(0)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	changed, err := mp.NewCond(lock)
	if err != nil {
		return err
	}
	p := pot{portions, changed}
	theCook, err := cooks.Start(ctx, cook{p})
	if err != nil {
		return err
	}
	var all []*mp.Process
	for number := 1; number <= n; number++ {
		g, err := guests.Start(ctx, guest{number, meals, p})
		if err != nil {
			return err
		}
		all = append(all, g)
	}
	for _, g := range all {
		if err := g.Wait(ctx); err != nil {
			return err
		}
	}
	fmt.Println(n*meals, "portions were eaten")
	return theCook.Terminate()
}
