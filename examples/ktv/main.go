// Command ktv is a karaoke room for four: a BoundedSemaphore of four seats and more guests
// than that. A guest that would never leave is killed, and its seat comes back.
//
// Python: BoundedSemaphore, where the seat of a killed process is lost.
//
//	$ go run ./examples/ktv
//	guest 1 sits down for ever, 3 of 4 seats are free
//	guest 2 sings
//	guest 2 leaves
//	guest 3 sings
//	guest 3 leaves
//	guest 4 sings
//	guest 5 sings
//	guest 4 leaves
//	guest 5 leaves
//	guest 6 sings
//	guest 6 leaves
//	guest 1 is killed, 4 of 4 seats are free
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

type guest struct {
	Number int
	Seats  *mp.BoundedSemaphore
	Song   time.Duration
}

var guests = mp.RegisterType[guest]("guest")

func (g *guest) Run(ctx context.Context) error {
	if err := g.Seats.Acquire(ctx); err != nil {
		return err
	}
	fmt.Printf("guest %d sings\n", g.Number)
	if err := program.Pause(ctx, g.Song); err != nil {
		return err // its seat goes back by itself
	}
	fmt.Printf("guest %d leaves\n", g.Number)
	return g.Seats.Release()
}

// A squatter sits down, says so, and stays.
type squatter struct {
	Seats *mp.BoundedSemaphore
	Sits  *mp.Event
}

var squatters = mp.RegisterType[squatter]("squatter")

func (s *squatter) Run(ctx context.Context) error {
	if err := errors.Join(s.Seats.Acquire(ctx), s.Sits.Set()); err != nil {
		return err
	}
	return program.Pause(ctx, 1000*time.Hour)
}

func main() {
	mp.Init()
	n := program.Count("guests", 1, 6, "how many `processes` come")
	song := flag.Duration("song", 5*time.Millisecond, "how long a guest sings")
	program.Main(func(ctx context.Context) error { return run(ctx, *n, *song) })
}

func run(ctx context.Context, n int, song time.Duration) error {
	seats, err1 := mp.NewBoundedSemaphore(4)
	sits, err2 := mp.NewEvent()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	first, err := squatters.Start(ctx, squatter{seats, sits})
	if err != nil {
		return err
	}
	if err := sits.Wait(ctx); err != nil {
		return err
	}
	fmt.Printf("guest 1 sits down for ever, %d of %d seats are free\n", seats.Value(), seats.Limit())

	var others []*mp.Process
	for number := 2; number <= n; number++ {
		p, err := guests.Start(ctx, guest{number, seats, song})
		if err != nil {
			return err
		}
		others = append(others, p)
	}
	if err := errors.Join(mp.WaitAll(ctx, others...), first.Kill()); err != nil {
		return err
	}
	<-first.Done()
	fmt.Printf("guest 1 is killed, %d of %d seats are free\n", seats.Value(), seats.Limit())
	return nil
}
