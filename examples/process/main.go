// Command process starts processes, tells them what to do, and waits for them. What a
// process runs is a function, or the Run method of a type whose fields are its arguments.
//
// Python: Process(target=greet, args=("world",)) and class Countdown(Process), with their
// start, join, name, pid and exitcode.
//
//	$ go run ./examples/process
//	main: my pid is 2101
//	greeter: hello, world, from pid 2107
//	rocket: 3
//	rocket: 2
//	rocket: 1
//	main: greeter, pid 2107, exited with code 0: <nil>
//	main: rocket, pid 2113, exited with code 1: mp: "countdown": no fuel
//	main: 12 squared is 144, says another process
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

// square is a function that processes can run. Its result comes back from Run.
var square = mp.Register("square", func(_ context.Context, n int) (int, error) {
	return n * n, nil
})

var greet = mp.RegisterTask("greet", func(_ context.Context, whom string) error {
	fmt.Printf("%s: hello, %s, from pid %d\n", mp.Current().Name, whom, os.Getpid())
	return nil
})

// A countdown is a type that processes can run.
type countdown struct {
	From int
	Step time.Duration
}

var countdowns = mp.RegisterType[countdown]("countdown")

func (c *countdown) Run(ctx context.Context) error {
	for n := c.From; n > 0; n-- {
		fmt.Printf("%s: %d\n", mp.Current().Name, n)
		if err := program.Pause(ctx, c.Step); err != nil {
			return err
		}
	}
	return errors.New("no fuel")
}

func main() {
	mp.Init() // always first: in a child it runs the function, and does not return
	step := flag.Duration("step", 10*time.Millisecond, "how long a step of the countdown takes")
	program.Main(func(ctx context.Context) error { return run(ctx, *step) })
}

func run(ctx context.Context, step time.Duration) error {
	fmt.Printf("main: my pid is %d\n", os.Getpid())
	greeter, err := greet.Start(ctx, "world", mp.WithName("greeter"))
	if err != nil {
		return err
	}
	rocket, err := countdowns.Start(ctx, countdown{From: 3, Step: step}, mp.WithName("rocket"))
	if err != nil {
		return err
	}
	for _, p := range []*mp.Process{greeter, rocket} {
		err := p.Wait(ctx) // Python: join
		code, exited := p.ExitCode()
		if !exited {
			return err // Ctrl-C
		}
		fmt.Printf("main: %s, pid %d, exited with code %d: %v\n", p.Name(), p.PID(), code, err)
	}
	n, err := square.Run(ctx, 12) // start, wait and get the result
	if err != nil {
		return err
	}
	fmt.Printf("main: 12 squared is %d, says another process\n", n)
	return nil
}
