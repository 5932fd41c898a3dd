package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// What nobody can deal with goes to another queue, where a person can look at it.
func ExampleWithMaxAttempts() {
	ctx := context.Background()
	dead, err := mp.NewQueue[int](8)
	if err != nil {
		log.Fatal(err)
	}
	jobs, err := mp.NewQueue[int](8, mp.WithMaxAttempts(2, dead), mp.WithMaxLeases(64))
	if err != nil {
		log.Fatal(err)
	}
	if err := jobs.Put(ctx, 13); err != nil {
		log.Fatal(err)
	}
	for {
		d, err := jobs.TryReceive()
		if errors.Is(err, mp.ErrEmpty) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("attempt", d.Attempt, "fails")
		if err := d.Nack(0); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(dead.Get(ctx))
	// Output:
	// attempt 1 fails
	// attempt 2 fails
	// 13 <nil>
}
