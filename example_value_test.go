package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// A position is more than one machine word. Nobody ever sees the X of one and the Y
// of another.
type position struct{ X, Y int }

var walk = mp.Register("example.walk", func(ctx context.Context, at *mp.Value[position]) (struct{}, error) {
	return struct{}{}, at.Update(ctx, func(p *position) { p.X, p.Y = p.X+3, p.Y+4 })
})

// A Value is one variable for all processes. Killed in the middle of Update, a
// process leaves the old value or the new one.
func ExampleValue() {
	ctx := context.Background()
	at, err := mp.NewValue(position{1, 1})
	if err != nil {
		log.Fatal(err)
	}
	defer at.Free()
	for range 2 {
		if _, err := walk.Run(ctx, at); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(at.Load())

	swapped, err := at.CompareAndSwap(position{0, 0}, position{9, 9})
	fmt.Println("it was 0,0:", swapped, err)
	old, err := at.Swap(position{5, 5})
	fmt.Println("it was", old, err)
	fmt.Println(at.Store(position{}), at.Load())
	// Output:
	// {7 9}
	// it was 0,0: false <nil>
	// it was {7 9} <nil>
	// <nil> {0 0}
}
