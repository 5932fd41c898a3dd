// Command pool gives work to a pool of processes in every way that there is, with a
// progress bar if standard error is a terminal.
//
// Python: Pool with apply, map, imap and apply_async with a callback, and tqdm.
//
//	$ go run ./examples/pool
//	Call: 27 takes 111 steps to 1
//	Map: [0 1 7 2 5 8 16 3 19 6]
//	MapSeq: of the numbers up to 10000, 6171 takes the most steps: 261
//	Go: 77031 takes 350 steps
//	pool: 10012 calls done, 0 failed
package main

import (
	"context"
	"flag"
	"fmt"
	"sync"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// collatz counts steps: half of an even number, three times an odd one plus one, until 1.
var collatz = mp.Register("collatz", func(_ context.Context, n int) (steps int, err error) {
	if n < 1 {
		return 0, fmt.Errorf("%d never gets to 1", n)
	}
	for ; n != 1; steps++ {
		if n%2 == 0 {
			n /= 2
		} else {
			n = 3*n + 1
		}
	}
	return steps, nil
})

func main() {
	mp.Init()
	workers := flag.Int("workers", 0, "how many worker `processes`; 0 is one a CPU")
	last := program.Count("last", 1, 10000, "the last number of MapSeq")
	program.Main(func(ctx context.Context) error { return run(ctx, *workers, *last) })
}

func run(ctx context.Context, workers, last int) error {
	pool, err := mp.NewPool(ctx, workers)
	if err != nil {
		return err
	}
	defer pool.Stop()

	steps, err := collatz.Call(ctx, pool, 27) // Python: apply
	if err != nil {
		return err
	}
	fmt.Println("Call: 27 takes", steps, "steps to 1")

	list, err := collatz.Map(ctx, pool, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	if err != nil {
		return err
	}
	fmt.Println("Map:", list)

	if err := longest(ctx, pool, last); err != nil {
		return err
	}
	// A callback is a goroutine that waits for the future. Python: apply_async
	future := collatz.Go(ctx, pool, 77031)
	var callback sync.WaitGroup
	callback.Go(func() {
		if steps, err := future.Get(ctx); err == nil {
			fmt.Println("Go: 77031 takes", steps, "steps")
		}
	})
	callback.Wait()
	if err := pool.Close(); err != nil {
		return err
	}
	stats := pool.Stats()
	fmt.Printf("pool: %d calls done, %d failed\n", stats.Done, stats.Failed)
	return nil
}

// longest finds the number that takes the most steps. Python: imap, and tqdm
func longest(ctx context.Context, pool *mp.Pool, last int) error {
	numbers := func(yield func(int) bool) { // goes on when a worker is about to need a number
		for n := 1; n <= last && yield(n); n++ {
		}
	}
	progress := &mp.Progress{Pool: pool, Total: last}
	n, most, record := 0, -1, 0
	for steps, err := range mp.Track(progress, collatz.MapSeq(ctx, pool, numbers, mp.WithChunk(100))) {
		if err != nil {
			return err
		}
		if n++; steps > most { // results come in the order of the numbers
			most, record = steps, n
		}
	}
	fmt.Printf("MapSeq: of the numbers up to %d, %d takes the most steps: %d\n", last, record, most)
	return nil
}
