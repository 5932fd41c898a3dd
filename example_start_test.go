package mp_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/mpgo/mp"
)

var serve = mp.Register("example.serve", func(ctx context.Context, name string) (struct{}, error) {
	mp.AtExit(func() { fmt.Println(name, "has cleaned up") })
	fmt.Println(name, "serves")
	<-ctx.Done()
	return struct{}{}, nil
})

// When Start's context ends, so does that of the function in the other process. It
// may go on for the grace, and is killed then.
func ExampleFunc_Start() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p, err := serve.Start(ctx, "the server", mp.WithGrace(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	cancel()
	fmt.Println(p.Wait(context.Background()))
	// Output:
	// the server serves
	// the server has cleaned up
	// <nil>
}
