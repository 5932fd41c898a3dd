package mp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/mpgo/mp"
)

// A pipe holds so much and no more; larger messages lie elsewhere, up to the limit.
func ExamplePipeOption() {
	ctx := context.Background()
	a, b, err := mp.NewPipe[[]byte](mp.WithPipeCapacity(4<<10), mp.WithMessageLimit(1<<20))
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	fmt.Println(errors.Is(a.Send(ctx, make([]byte, 2<<20)), mp.ErrTooLarge))
	sent := 0
	for a.TrySend(make([]byte, 1000)) == nil { // ErrFull where Send would wait
		sent++
	}
	fmt.Println("several:", sent > 1)
	_ = a.CloseSend() // b gets what is left, and may still answer
	got := 0
	for {
		if _, err := b.Recv(ctx); err == io.EOF {
			break
		}
		got++
	}
	fmt.Println("all:", got == sent)
	// Output:
	// true
	// several: true
	// all: true
}
