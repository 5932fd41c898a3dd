package mp_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

// stumble dies over the job that it has received.
var stumble = mp.Register("example.stumble", func(ctx context.Context, jobs *mp.Queue[int]) (struct{}, error) {
	defer os.Exit(1)
	_, err := jobs.Receive(ctx)
	return struct{}{}, err
})

// A received message is on lease. It comes back if its receiver dies, or returns it.
func ExampleQueue_Receive() {
	ctx := context.Background()
	jobs, err := mp.NewQueue[int](8)
	if err != nil {
		log.Fatal(err)
	}
	if err := jobs.Put(ctx, 42); err != nil {
		log.Fatal(err)
	}
	_, _ = stumble.Run(ctx, jobs)

	d, err := jobs.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("job", d.Value, "attempt", d.Attempt)
	if err := d.Nack(0); err != nil { // not now: return it
		log.Fatal(err)
	}
	d, err = jobs.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("job", d.Value, "attempt", d.Attempt)
	fmt.Println(d.Ack(), jobs.Join(ctx)) // everything is dealt with
	// Output:
	// job 42 attempt 2
	// job 42 attempt 3
	// <nil> <nil>
}
