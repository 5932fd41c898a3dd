package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// A tally is the argument of each call. The number is copied to the worker; the sum
// is shared: all workers raise the same one.
type tally struct {
	N   int
	Sum *mp.Value[int]
}

// Functions for other processes are registered in package-level variables, so that
// every process of the program has them.
var tallySquare = mp.Register("example.tallySquare", func(_ context.Context, t tally) (int, error) {
	_, err := mp.Add(t.Sum, t.N*t.N)
	return t.N * t.N, err
})

// A pool of two processes squares numbers, and adds them up in shared memory. The
// program's main, or TestMain, calls mp.Init first.
func Example() {
	ctx := context.Background()
	sum, err := mp.NewValue(0)
	if err != nil {
		log.Fatal(err)
	}
	pool, err := mp.NewPool(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	squares, err := tallySquare.Map(ctx, pool, []tally{{1, sum}, {2, sum}, {3, sum}})
	fmt.Println(squares, sum.Load(), err)
	// Output: [1 4 9] 14 <nil>
}
