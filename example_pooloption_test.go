package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/mpgo/mp"
)

var (
	model int // what each worker loads once

	loadModel = mp.Register("example.loadModel", func(_ context.Context, n int) (int, error) {
		model = n
		return n, nil
	})

	apply = mp.Register("example.apply", func(_ context.Context, n int) (int, error) {
		return model * n, nil
	})

	unlucky = mp.Register("example.unlucky", func(_ context.Context, tries *mp.Value[int]) (int, error) {
		n, err := mp.Add(tries, 1)
		if n < 3 {
			os.Exit(1)
		}
		return n, err
	})

	forever = mp.Register("example.forever", func(ctx context.Context, n int) (int, error) {
		<-ctx.Done()
		return n, ctx.Err()
	})
)

// A pool whose workers are prepared, replaced now and then, and kept from hanging.
func ExamplePoolOption() {
	ctx := context.Background()
	pool, err := mp.NewPool(ctx, 1,
		mp.WithInitializer(loadModel, 7),
		mp.WithWarmStart(),
		mp.WithPoolEnv(append(os.Environ(), "LANGUAGE=tlh")...),
		mp.WithRetries(2),
		mp.WithMaxTasks(1000),
		mp.WithMaxAge(time.Hour),
		mp.WithMaxGrowth(300<<20),
		mp.WithIdleTimeout(time.Hour),
		mp.WithSpin(200*time.Microsecond),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(apply.Call(ctx, pool, 6))
	tries, err := mp.NewValue(0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(unlucky.Call(ctx, pool, tries)) // two workers die over it
	fmt.Println(pool.Resize(2), pool.Workers())
	fmt.Println(pool.Stop(), pool.Wait(ctx))

	impatient, err := mp.NewPool(ctx, 1, mp.WithTaskTimeout(10*time.Millisecond), mp.WithPoolGrace(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	defer impatient.Close()
	_, err = forever.Call(ctx, impatient, 1)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// 42 <nil>
	// 3 <nil>
	// <nil> 2
	// <nil> <nil>
	// true
}
