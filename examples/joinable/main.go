// Command joinable has orders in a queue and cooks who acknowledge each when it is done.
// One cook is killed with an order in its hands: another one gets it, and nothing is lost.
//
// Python: JoinableQueue with task_done and join, which waits for ever for what a killed
// consumer had taken.
//
//	$ go run ./examples/joinable
//	cook 1 takes order 1 and is killed
//	cook 2: order 1, attempt 2
//	cook 3: order 2, attempt 1
//	cook 2: order 3, attempt 1
//	cook 3: order 4, attempt 1
//	cook 3: order 5, attempt 1
//	all 5 orders are done
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

type cook struct {
	Number int
	Orders *mp.Queue[int]
	Done   *mp.Value[int]
	Slow   *mp.Event // nil, or: set it with an order taken, and never finish
}

// cooks do orders until there are no more, and nobody has one that might come back.
var cooks = mp.RegisterTask("cook", func(ctx context.Context, c cook) error {
	for order, err := range c.Orders.Deliveries(ctx) {
		if err != nil {
			return err
		}
		if c.Slow != nil {
			return errors.Join(c.Slow.Set(), program.Pause(ctx, 1000*time.Hour))
		}
		fmt.Printf("cook %d: order %d, attempt %d\n", c.Number, order.Value, order.Attempt)
		if _, err := mp.Add(c.Done, 1); err != nil {
			return err
		}
		if err := order.Ack(); err != nil { // Python: task_done
			return err
		}
	}
	return ctx.Err()
})

func main() {
	mp.Init()
	n := program.Count("orders", 1, 5, "how many orders there are")
	program.Main(func(ctx context.Context) error { return run(ctx, *n) })
}

func run(ctx context.Context, n int) error {
	orders, err1 := mp.NewQueue[int](10)
	done, err2 := mp.NewValue(0)
	taken, err3 := mp.NewEvent()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	slow, err := cooks.Start(ctx, cook{1, orders, done, taken})
	if err != nil {
		return err
	}
	if err := orders.Put(ctx, 1); err != nil {
		return err
	}
	if err := errors.Join(taken.Wait(ctx), slow.Kill()); err != nil {
		return err
	}
	fmt.Println("cook 1 takes order 1 and is killed")
	for number := 2; number <= 3; number++ {
		if _, err := cooks.Start(ctx, cook{number, orders, done, nil}); err != nil {
			return err
		}
	}
	for order := 2; order <= n; order++ {
		if err := orders.Put(ctx, order); err != nil {
			return err
		}
	}
	if err := orders.Join(ctx); err != nil { // until all are acknowledged
		return err
	}
	fmt.Printf("all %d orders are done\n", done.Load())
	if err := orders.Close(); err != nil { // the cooks go home
		return err
	}
	return mp.Shutdown(ctx)
}
