package connection_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/connection"
)

// A worker serves a connection that its parent accepted.
var serve = mp.Register("connection.example.serve", func(ctx context.Context, f *mp.File) (int, error) {
	c, err := connection.Attach[string](ctx, f)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	name, err := c.Recv(ctx)
	if err != nil {
		return 0, err
	}
	return len(name), c.Send(ctx, "hello, "+name)
})

// Each peer is served by a process of its own, which may crash or be killed.
func ExampleConn_Detach() {
	ctx := context.Background()
	l, err := connection.Listen[string](ctx, "tcp", "", connection.WithoutKey())
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	peer, err := connection.Dial[string](ctx, "tcp", l.Addr().String(), connection.WithoutKey())
	if err != nil {
		log.Fatal(err)
	}
	defer peer.Close()
	if err := peer.Send(ctx, "world"); err != nil {
		log.Fatal(err)
	}
	c, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	f, err := c.Detach(ctx)
	if err != nil {
		log.Fatal(err)
	}
	n, err := serve.Run(ctx, f)
	fmt.Println(n, err)
	fmt.Println(peer.Recv(ctx))
	// Output:
	// 5 <nil>
	// hello, world <nil>
}
