package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

var hang = mp.Register("example.hang", func(ctx context.Context, n int) (int, error) {
	if n > 0 {
		<-ctx.Done()
	}
	return n, ctx.Err()
})

// A Future is the result of a call that goes on meanwhile.
func ExampleFunc_Go() {
	ctx := context.Background()
	pool, err := mp.NewPool(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	quick, slow := hang.Go(ctx, pool, 0), hang.Go(ctx, pool, 1)
	fmt.Println(quick.Get(ctx))
	slow.Cancel() // ends the context of the call there
	<-slow.Done()
	fmt.Println(errors.Is(slow.Err(), context.Canceled))
	// Output:
	// 0 <nil>
	// true
}
