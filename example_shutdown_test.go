package mp_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/mpgo/mp"
)

var errand = mp.Register("example.errand", func(_ context.Context, name string) (struct{}, error) {
	defer fmt.Println("done:", name)
	return struct{}{}, nil
})

// Shutdown, at the end of main, waits for the children and calls what AtExit was
// given.
func ExampleShutdown() {
	mp.AtExit(func() { fmt.Println("good night") })
	if _, err := errand.Start(context.Background(), "letters"); err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := mp.Shutdown(ctx); err != nil {
		fmt.Println("some had to be ended:", err)
	}
	// Output:
	// done: letters
	// good night
}
