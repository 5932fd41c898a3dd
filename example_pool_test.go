package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

// fragile stands for native code that crashes on some inputs.
var fragile = mp.Register("example.fragile", func(_ context.Context, n int) (int, error) {
	if n == 3 {
		os.Exit(7)
	}
	return 10 * n, nil
})

// A worker that dies costs the call that it was running. The others have their
// results, and another worker takes its place.
func ExamplePool() {
	ctx := context.Background()
	pool, err := mp.NewPool(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	for n := range 5 {
		v, err := fragile.Call(ctx, pool, n)
		var died *mp.WorkerDiedError
		if errors.As(err, &died) {
			fmt.Println(n, "cost a worker:", died.Func, "exit code", died.ExitCode)
			continue
		}
		fmt.Println(v, err)
	}
	fmt.Println("closed:", pool.Close()) // when all calls are done
	fmt.Println(pool.Stats().Died, "died")
	_, err = fragile.Call(ctx, pool, 1)
	fmt.Println(errors.Is(err, mp.ErrPoolClosed))
	// Output:
	// 0 <nil>
	// 10 <nil>
	// 20 <nil>
	// 3 cost a worker: example.fragile exit code 7
	// 40 <nil>
	// closed: <nil>
	// 1 died
	// true
}
