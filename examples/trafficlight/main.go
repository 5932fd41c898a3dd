// Command trafficlight has a light and cars, which are processes, and an Event: it is set
// while the light is green, and the cars wait for it.
//
// Python: Event with is_set, set, clear and wait.
//
//	$ go run ./examples/trafficlight
//	car 1 comes
//	car 2 comes
//	the light is red
//	car 3 comes
//	the light is green
//	car 1 drives
//	car 2 drives
//	car 3 drives
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A light changes for ever.
type light struct {
	Green *mp.Event
	Phase time.Duration
}

var lights = mp.RegisterType[light]("light")

func (l *light) Run(ctx context.Context) error {
	for {
		fmt.Println("the light is red")
		if err := errors.Join(l.Green.Clear(), program.Pause(ctx, l.Phase)); err != nil {
			return err
		}
		fmt.Println("the light is green")
		if err := errors.Join(l.Green.Set(), program.Pause(ctx, l.Phase)); err != nil {
			return err
		}
	}
}

type car struct {
	Number int
	Green  *mp.Event
}

var cars = mp.RegisterType[car]("car")

func (c *car) Run(ctx context.Context) error {
	fmt.Printf("car %d comes\n", c.Number)
	if err := c.Green.Wait(ctx); err != nil {
		return err
	}
	fmt.Printf("car %d drives\n", c.Number)
	return nil
}

func main() {
	mp.Init()
	n := program.Count("cars", 1, 3, "how many cars come")
	phase := flag.Duration("phase", 5*time.Millisecond, "how long the light is red, and how long it is green")
	program.Main(func(ctx context.Context) error { return run(ctx, *n, *phase) })
}

func run(ctx context.Context, n int, phase time.Duration) error {
	green, err := mp.NewEvent() // not set: red
	if err != nil {
		return err
	}
	var all []*mp.Process
	for number := range n {
		p, err := cars.Start(ctx, car{number + 1, green})
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	theLight, err := lights.Start(ctx, light{green, phase})
	if err != nil {
		return err
	}
	return errors.Join(mp.WaitAll(ctx, all...), theLight.Terminate())
}
