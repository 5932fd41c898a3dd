package mp_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/mpgo/mp"
)

var watchdog = mp.Register("example.watchdog", func(ctx context.Context, _ struct{}) (struct{}, error) {
	select {
	case <-ctx.Done(): // the context of Start has ended
	case <-mp.Parent().Done(): // the parent is gone; this process goes on
	}
	return struct{}{}, nil
})

// A detached process outlives its parent. Here the parent lives, and ends it.
func ExampleDetached() {
	ctx, cancel := context.WithCancel(context.Background())
	p, err := watchdog.Start(ctx, struct{}{}, mp.Detached(), mp.WithName("watchdog"), mp.WithGrace(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Name(), "has begun to run:", p.Alive())
	cancel()
	fmt.Println(p.Wait(context.Background()))
	// Output:
	// watchdog has begun to run: true
	// <nil>
}
