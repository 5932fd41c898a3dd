// Command pipe talks to another process in both directions, and is told when that ends
// the conversation, and when it dies in the middle of it.
//
// Python: Pipe with send, recv and EOFError, which nobody gets there as long as any process
// has the other end open by mistake.
//
//	$ go run ./examples/pipe
//	question: 6 * 7, answer: 42
//	question: 7 * 8, answer: 56
//	question: 8 * 9, answer: 72
//	we hang up: it ended with <nil>
//	it is killed: nobody is there any more
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// A message is a question in one direction and an answer in the other.
type message struct {
	Text   string
	A, B   int
	Result int
}

// multiply answers questions until there are no more.
var multiply = mp.RegisterTask("multiply", func(ctx context.Context, questions *mp.Conn[message]) error {
	for {
		m, err := questions.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m.Result = m.A * m.B
		if err := questions.Send(ctx, m); err != nil {
			return err
		}
	}
})

func main() {
	mp.Init()
	n := program.Count("questions", 1, 3, "how many questions are asked")
	program.Main(func(ctx context.Context) error { return run(ctx, *n) })
}

// call starts a process at the other end of a pipe.
func call(ctx context.Context) (*mp.Conn[message], *mp.Process, error) {
	ours, theirs, err := mp.NewPipe[message]()
	if err != nil {
		return nil, nil, err
	}
	p, err := multiply.Start(ctx, theirs) // the end is the child's now
	return ours, p, err
}

func run(ctx context.Context, n int) error {
	line, p, err := call(ctx)
	if err != nil {
		return err
	}
	for i := range n {
		q := message{Text: fmt.Sprintf("%d * %d", i+6, i+7), A: i + 6, B: i + 7}
		if err := line.Send(ctx, q); err != nil {
			return err
		}
		a, err := line.Recv(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("question: %s, answer: %d\n", a.Text, a.Result)
	}
	if err := line.Close(); err != nil {
		return err
	}
	fmt.Println("we hang up: it ended with", p.Wait(ctx))

	line, p, err = call(ctx)
	if err != nil {
		return err
	}
	if err := p.Kill(); err != nil {
		return err
	}
	if _, err = line.Recv(ctx); !errors.Is(err, mp.ErrPeerDied) { // which is an io.EOF, too
		return err
	}
	fmt.Println("it is killed: nobody is there any more")
	return nil
}
