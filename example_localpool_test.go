package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

var negate = mp.Register("example.negate", func(_ context.Context, n int) (int, error) {
	return -n, nil
})

// A local pool is for tests: its workers are goroutines.
func ExampleNewLocalPool() {
	ctx := context.Background()
	pool, err := mp.NewLocalPool(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	fmt.Println(negate.Map(ctx, pool, []int{1, 2, 3}))
	// Output: [-1 -2 -3] <nil>
}
