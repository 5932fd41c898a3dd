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

// Shutdown, at the end of main, waits for the children that are left. In the first
// process it also calls what AtExit was given.
func ExampleShutdown() {
	if _, err := errand.Start(context.Background(), "letters"); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(mp.Shutdown(ctx)) // an error says how many had to be ended, as ctx was over
	// Output:
	// done: letters
	// <nil>
}
