package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// Messages of up to 64 bytes lie in the queue itself, longer ones elsewhere, and those
// of more than 1 KiB are refused.
func ExampleQueueOption() {
	ctx := context.Background()
	q, err := mp.NewQueue[[]byte](16, mp.WithInline(64), mp.WithMaxMessage(1<<10))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.Put(ctx, make([]byte, 500)))
	fmt.Println(errors.Is(q.Put(ctx, make([]byte, 5000)), mp.ErrTooLarge))
	// Output:
	// <nil>
	// true
}
