package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// A greeter is a program with arguments of its own, as a subclass of Python's Process
// is: its fields are the arguments, Run is what the process does.
type greeter struct{ Greeting, Name string }

// Run makes a *greeter an mp.Runner.
func (g *greeter) Run(context.Context) error {
	fmt.Printf("%s, %s!\n", g.Greeting, g.Name)
	return nil
}

var (
	_     mp.Runner = (*greeter)(nil)
	greet           = mp.RegisterType[greeter]("example.greeter")
)

func ExampleRegisterType() {
	ctx := context.Background()
	p, err := greet.Start(ctx, greeter{"Hello", "world"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Wait(ctx))
	// Output:
	// Hello, world!
	// <nil>
}
