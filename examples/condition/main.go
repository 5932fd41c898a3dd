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

// cook fills the pot for ever.
var cook = mp.RegisterTask("cook", func(ctx context.Context, p pot) (err error) {
	for err == nil {
		empty := func() bool { return p.Portions.Load() == 0 }
		err = p.change(ctx, empty, func() error {
			fmt.Println("the cook fills the pot")
			return p.Portions.Store(full)
		})
	}
	return err
})

type guest struct {
	Number, Meals int
	Pot           pot
}

var eat = mp.RegisterTask("eat", func(ctx context.Context, g guest) (err error) {
	for meal := 0; meal < g.Meals && err == nil; meal++ {
		filled := func() bool { return g.Pot.Portions.Load() > 0 }
		err = g.Pot.change(ctx, filled, func() error {
			left, err := mp.Add(g.Pot.Portions, -1)
			fmt.Printf("guest %d eats, %d left\n", g.Number, left)
			return err
		})
	}
	return err
})

func main() {
	mp.Init()
	n := program.Count("guests", 1, 2, "how many `processes` eat")
	meals := program.Count("meals", 1, 3, "how many portions each of them eats")
	program.Main(func(ctx context.Context) error { return run(ctx, *n, *meals) })
}

func run(ctx context.Context, n, meals int) error {
	portions, err1 := mp.NewValue(0)
	changed, err2 := mp.NewCond(nil) // with a lock of its own
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	p := pot{portions, changed}
	theCook, err := cook.Start(ctx, p)
	if err != nil {
		return err
	}
	var guests []*mp.Process
	for number := 1; number <= n; number++ {
		g, err := eat.Start(ctx, guest{number, meals, p})
		if err != nil {
			return err
		}
		guests = append(guests, g)
	}
	if err := mp.WaitAll(ctx, guests...); err != nil {
		return err
	}
	fmt.Println(n*meals, "portions were eaten")
	return theCook.Terminate()
}
