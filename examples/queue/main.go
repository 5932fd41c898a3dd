// Command queue has producers, which put numbers into a queue, and consumers, which get
// them and put i**i into another one. Nobody counts messages or sends a last one: a queue
// that is closed ends the loops of those who read it.
//
// Python: Queue with put and get, and a None for each consumer to tell it the end.
//
//	$ go run ./examples/queue
//	map[0:1 1:1 2:4 3:27 4:256 5:3125 6:46656 7:823543 8:16777216 9:387420489]
//	3 producers and 2 consumers: 10 results
package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A producer puts First, First+Step and so on, below End.
type producer struct {
	First, Step, End int
	Numbers          *mp.Queue[int]
}

var producers = mp.RegisterType[producer]("producer")

func (p *producer) Run(ctx context.Context) error {
	for i := p.First; i < p.End; i += p.Step {
		if err := p.Numbers.Put(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

type result struct {
	I     int
	Power string // it has too many digits for an int
}

type consumer struct {
	Numbers *mp.Queue[int]
	Results *mp.Queue[result]
}

var consumers = mp.RegisterType[consumer]("consumer")

func (c *consumer) Run(ctx context.Context) error {
	for i, err := range c.Numbers.All(ctx) {
		if err != nil {
			return err
		}
		n := big.NewInt(int64(i))
		if err := c.Results.Put(ctx, result{i, n.Exp(n, n, nil).String()}); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	mp.Init()
	n := program.Count("n", 1, 10, "how many numbers there are")
	program.Main(func(ctx context.Context) error { return run(ctx, *n) })
}

func run(ctx context.Context, n int) error {
	numbers, err1 := mp.NewQueue[int](4)    // Put waits while there are 4
	results, err2 := mp.NewQueue[result](0) // grows
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	var putting, getting []*mp.Process
	for i := range 3 {
		p, err := producers.Start(ctx, producer{i, 3, n, numbers})
		if err != nil {
			return err
		}
		putting = append(putting, p)
	}
	for range 2 {
		c, err := consumers.Start(ctx, consumer{numbers, results})
		if err != nil {
			return err
		}
		getting = append(getting, c)
	}
	if err := join(ctx, putting, numbers.Close); err != nil {
		return err
	}
	if err := join(ctx, getting, results.Close); err != nil {
		return err
	}
	powers := make(map[int]string)
	for r, err := range results.All(ctx) {
		if err != nil {
			return err
		}
		powers[r.I] = r.Power
	}
	fmt.Println(powers)
	fmt.Printf("%d producers and %d consumers: %d results\n", len(putting), len(getting), len(powers))
	return nil
}

// join waits for all of the processes, and then closes their queue.
func join(ctx context.Context, processes []*mp.Process, closeQueue func() error) error {
	for _, p := range processes {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return closeQueue()
}
