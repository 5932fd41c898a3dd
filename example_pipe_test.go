package mp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/mpgo/mp"
)

// squares answers each number with its square.
var squares = mp.Register("example.squares", func(ctx context.Context, c *mp.Conn[int]) (struct{}, error) {
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

// A parent keeps one end of a pipe and gives the other to its child. The program's
// main, or TestMain, calls mp.Init first.
func ExampleNewPipe() {
	ctx := context.Background()
	mine, yours, err := mp.NewPipe[int]()
	if err != nil {
		log.Fatal(err)
	}
	p, err := squares.Start(ctx, yours) // yours is the child's from here on
	if err != nil {
		log.Fatal(err)
	}
	for n := range 4 {
		if err := mine.Send(ctx, n); err != nil {
			log.Fatal(err)
		}
		v, err := mine.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v)
	}
	_ = mine.Close() // the child receives io.EOF
	fmt.Println(p.Wait(ctx))
	// Output:
	// 0
	// 1
	// 4
	// 9
	// <nil>
}

// Wait returns what is ready: here the pipe with a message, and not the process.
func ExampleWait() {
	ctx := context.Background()
	mine, yours, err := mp.NewPipe[int]()
	if err != nil {
		log.Fatal(err)
	}
	p, err := squares.Start(ctx, yours)
	if err != nil {
		log.Fatal(err)
	}
	if err := mine.Send(ctx, 5); err != nil {
		log.Fatal(err)
	}
	ready, err := mp.Wait(ctx, p, mine)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range ready {
		if r == mp.Waitable(mine) {
			v, _ := mine.Recv(ctx)
			fmt.Println("received", v)
		}
	}
	_ = mine.Close()
	_ = p.Wait(ctx)
	// Output: received 25
}

// A pipe of bytes is an io.ReadWriteCloser.
func ExampleNewStream() {
	a, b, err := mp.NewPipe[[]byte]()
	if err != nil {
		log.Fatal(err)
	}
	w, r := mp.NewStream(a), mp.NewStream(b)
	fmt.Fprintf(w, "%d bottles", 3)
	_ = w.Close()
	text, err := io.ReadAll(r)
	fmt.Println(string(text), err)
	_ = r.Close()
	// Output: 3 bottles <nil>
}
