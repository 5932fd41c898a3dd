package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"

	"github.com/mpgo/mp"
)

var halve = mp.Register("example.halve", func(_ context.Context, n int) (int, error) {
	if n%2 != 0 {
		return 0, errors.New("odd")
	}
	return n / 2, nil
})

// Map returns all results in order, or the first error.
func ExampleFunc_Map() {
	ctx := context.Background()
	pool, err := mp.NewPool(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	fmt.Println(halve.Map(ctx, pool, []int{2, 4, 6}))
	halves, err := halve.Map(ctx, pool, []int{2, 3, 6}, mp.WithAllErrors(), mp.WithChunk(1))
	fmt.Println(halves, err)

	// MapSeq takes and gives a sequence, and looks no further ahead than it may.
	for v, err := range halve.MapSeq(ctx, pool, slices.Values([]int{8, 10}), mp.WithWindow(16)) {
		fmt.Println(v, err)
	}
	// MapUnordered gives each result as soon as it is there.
	sum := 0
	for v, err := range halve.MapUnordered(ctx, pool, slices.Values([]int{12, 14, 16})) {
		if err != nil {
			log.Fatal(err)
		}
		sum += v
	}
	fmt.Println("sum", sum)
	// Output:
	// [1 2 3] <nil>
	// [1 0 3] mp: map of "example.halve", input 1: mp: "example.halve": odd
	// 4 <nil>
	// 5 <nil>
	// sum 21
}
