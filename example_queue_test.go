package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// A mill takes numbers from one queue and puts their squares into another, until
// there are no more.
type mill struct {
	In, Out *mp.Queue[int]
}

func (m *mill) Run(ctx context.Context) error {
	defer m.Out.Close()
	for n, err := range m.In.All(ctx) {
		if err != nil {
			return err
		}
		if err := m.Out.Put(ctx, n*n); err != nil {
			return err
		}
	}
	return nil
}

var grind = mp.RegisterType[mill]("example.mill")

// A Queue is for any number of producers and consumers, in any processes.
func ExampleQueue() {
	ctx := context.Background()
	in, err := mp.NewQueue[int](2) // Put waits while there are two
	if err != nil {
		log.Fatal(err)
	}
	out, err := mp.NewQueue[int](0) // it grows: Put never waits
	if err != nil {
		log.Fatal(err)
	}
	p, err := grind.Start(ctx, mill{in, out})
	if err != nil {
		log.Fatal(err)
	}
	for n := range 4 {
		if err := in.Put(ctx, n); err != nil { // nil: it will be delivered
			log.Fatal(err)
		}
	}
	if err := in.Close(); err != nil { // the mill gets what is left, and ends
		log.Fatal(err)
	}
	fmt.Println(p.Wait(ctx), in.Empty(), out.Len())
	first, err := out.Get(ctx)
	fmt.Println(first, err)
	for square := range out.All(ctx) {
		fmt.Println(square)
	}
	// Output:
	// <nil> true 4
	// 0 <nil>
	// 1
	// 4
	// 9
}
