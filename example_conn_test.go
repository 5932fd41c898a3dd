package mp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/mpgo/mp"
)

// lastWords dies after its second message.
var lastWords = mp.Register("example.lastWords", func(ctx context.Context, c *mp.Conn[int]) (struct{}, error) {
	defer os.Exit(1)
	return struct{}{}, errors.Join(c.Send(ctx, 1), c.Send(ctx, 2))
})

// What a process had sent before it died is received; then comes ErrPeerDied.
func ExampleConn() {
	ctx := context.Background()
	mine, yours, err := mp.NewPipe[int](mp.OneWay()) // the first end receives
	if err != nil {
		log.Fatal(err)
	}
	defer mine.Close()
	if _, err := lastWords.Start(ctx, yours); err != nil {
		log.Fatal(err)
	}
	fmt.Println("mine only receives:", errors.Is(mine.Send(ctx, 0), mp.ErrOneWay))
	fmt.Println("yours is the child's:", errors.Is(yours.Send(ctx, 0), mp.ErrMoved))

	fmt.Println(mine.Recv(ctx))
	fmt.Println(mine.Poll(ctx), mine.Ready()) // there is more
	fmt.Println(mine.TryRecv())
	_, err = mine.Recv(ctx)
	fmt.Println("died:", errors.Is(err, mp.ErrPeerDied), "no more comes:", errors.Is(err, io.EOF))
	// Output:
	// mine only receives: true
	// yours is the child's: true
	// 1 <nil>
	// <nil> true
	// 2 <nil>
	// died: true no more comes: true
}
