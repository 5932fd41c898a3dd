package mp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/mpgo/mp"
)

// answerSquares answers each number with its square, until the peer closes its end.
var answerSquares = mp.Register("example.answerSquares", func(ctx context.Context, c *mp.Conn[int]) (struct{}, error) {
	for {
		n, err := c.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return struct{}{}, nil
		}
		if err != nil {
			return struct{}{}, err
		}
		if err := c.Send(ctx, n*n); err != nil {
			return struct{}{}, err
		}
	}
})

// A parent keeps one end of a pipe and gives the other to its child.
func ExampleNewPipe() {
	ctx := context.Background()
	mine, yours, err := mp.NewPipe[int]()
	if err != nil {
		log.Fatal(err)
	}
	p, err := answerSquares.Start(ctx, yours) // yours is the child's from here on
	if err != nil {
		log.Fatal(err)
	}
	for n := range 4 {
		if err := mine.Send(ctx, n); err != nil {
			log.Fatal(err)
		}
		fmt.Println(mine.Recv(ctx))
	}
	_ = mine.Close() // the child receives io.EOF
	fmt.Println(p.Wait(ctx))
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
	// <nil>
}
