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

// A span is what a producer puts: First, First+Step and so on, below End.
type span struct {
	First, Step, End int
	Numbers          *mp.Queue[int]
}

var produce = mp.RegisterTask("produce", func(ctx context.Context, s span) error {
	for i := s.First; i < s.End; i += s.Step {
		if err := s.Numbers.Put(ctx, i); err != nil {
			return err
		}
	}
	return nil
})

type result struct {
	I     int
	Power string // it has too many digits for an int
}

// A line is what a consumer has on both of its sides.
type line struct {
	Numbers *mp.Queue[int]
	Results *mp.Queue[result]
}

var consume = mp.RegisterTask("consume", func(ctx context.Context, l line) error {
	for i, err := range l.Numbers.All(ctx) {
		if err != nil {
			return err
		}
		n := big.NewInt(int64(i))
		if err := l.Results.Put(ctx, result{i, n.Exp(n, n, nil).String()}); err != nil {
			return err
		}
	}
	return ctx.Err()
})

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
	producers, consumers := make([]*mp.Process, 3), make([]*mp.Process, 2)
	for i := range producers {
		p, err := produce.Start(ctx, span{i, len(producers), n, numbers})
		if err != nil {
			return err
		}
		producers[i] = p
	}
	for i := range consumers {
		p, err := consume.Start(ctx, line{numbers, results})
		if err != nil {
			return err
		}
		consumers[i] = p
	}
	err := errors.Join(
		mp.WaitAll(ctx, producers...), numbers.Close(),
		mp.WaitAll(ctx, consumers...), results.Close())
	if err != nil {
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
	fmt.Printf("%d producers and %d consumers: %d results\n", len(producers), len(consumers), len(powers))
	return nil
}
