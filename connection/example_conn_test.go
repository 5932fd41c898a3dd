package connection_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/mpgo/mp/connection"
)

type order struct {
	Item string
	N    int
}

// A program listens, and another one, which knows the same key, dials. Here they are one.
func Example() {
	ctx := context.Background()
	key := connection.WithKey([]byte("32 random bytes that both have"))
	l, err := connection.Listen[order](ctx, "unix", "", key)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := connection.Dial[order](ctx, "unix", l.Addr().String(), key)
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		for i, item := range []string{"bolts", "nuts"} {
			if err := c.Send(ctx, order{item, 100 * (i + 1)}); err != nil {
				log.Fatal(err)
			}
		}
	}()
	c, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for {
		o, err := c.Recv(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(o.N, o.Item)
	}
	// Output:
	// 100 bolts
	// 200 nuts
}
