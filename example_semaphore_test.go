package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

var announce = mp.Register("example.announce", func(_ context.Context, s *mp.Semaphore) (struct{}, error) {
	return struct{}{}, s.Release(2) // two are ready
})

// The permits of a Semaphore belong to nobody: one process releases what others take.
func ExampleSemaphore() {
	ctx := context.Background()
	ready, err := mp.NewSemaphore(0)
	if err != nil {
		log.Fatal(err)
	}
	defer ready.Free()
	got, err := ready.TryAcquire()
	fmt.Println(got, err)
	if _, err := announce.Run(ctx, ready); err != nil {
		log.Fatal(err)
	}
	fmt.Println(ready.Acquire(ctx), "left:", ready.Value())
	// Output:
	// false <nil>
	// <nil> left: 1
}
