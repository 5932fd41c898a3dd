package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// Batches cost less than single messages: producers and consumers are told once.
func ExampleQueue_PutBatch() {
	ctx := context.Background()
	q, err := mp.NewQueue[int](8)
	if err != nil {
		log.Fatal(err)
	}
	put, err := q.PutBatch(ctx, []int{1, 2, 3, 4, 5})
	fmt.Println(put, err)
	into := make([]int, 3)
	n, err := q.GetBatch(ctx, into) // waits for the first only
	fmt.Println(into[:n], err)
	n, err = q.TryGetBatch(into)
	fmt.Println(into[:n], err)
	// Output:
	// 5 <nil>
	// [1 2 3] <nil>
	// [4 5] <nil>
}
