package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

var sendLater = mp.Register("example.sendLater", func(ctx context.Context, c *mp.Conn[int]) (struct{}, error) {
	defer c.Close()
	return struct{}{}, c.Send(ctx, 25)
})

// Wait waits for connections, queues and processes at once, and returns those that are
// ready.
func ExampleWait() {
	ctx := context.Background()
	mine, yours, err := mp.NewPipe[int]()
	if err != nil {
		log.Fatal(err)
	}
	defer mine.Close()
	jobs, err := mp.NewQueue[int](1)
	if err != nil {
		log.Fatal(err)
	}
	p, err := sendLater.Start(ctx, yours)
	if err != nil {
		log.Fatal(err)
	}
	ready, err := mp.Wait(ctx, mine, jobs)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range ready {
		fmt.Println("the pipe:", r == mp.Waitable(mine))
	}
	fmt.Println(mine.Recv(ctx))
	ready, err = mp.Wait(ctx, p, jobs)
	fmt.Println(len(ready), "has ended:", !p.Alive(), err)
	// Output:
	// the pipe: true
	// 25 <nil>
	// 1 has ended: true <nil>
}
