package mp_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

// Wait takes whatever has a descriptor as well.
func ExampleReadable() {
	ctx := context.Background()
	jobs, err := mp.NewQueue[int](1)
	if err != nil {
		log.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer in.Close()
	go func() {
		fmt.Fprintln(out, "hello")
		out.Close()
	}()
	pipe := mp.Readable{Conn: in}
	ready, err := mp.Wait(ctx, jobs, pipe)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range ready {
		fmt.Println("the pipe:", r == mp.Waitable(pipe))
	}
	// Output:
	// the pipe: true
}
