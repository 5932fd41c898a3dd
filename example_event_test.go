package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

var giveSign = mp.Register("example.giveSign", func(_ context.Context, green *mp.Event) (struct{}, error) {
	return struct{}{}, green.Set()
})

// An Event is a flag that processes wait for.
func ExampleEvent() {
	ctx := context.Background()
	green, err := mp.NewEvent()
	if err != nil {
		log.Fatal(err)
	}
	defer green.Free()
	p, err := giveSign.Start(ctx, green)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(green.Wait(ctx), green.IsSet())
	fmt.Println(green.Clear(), green.IsSet())
	fmt.Println(p.Wait(ctx))
	// Output:
	// <nil> true
	// <nil> false
	// <nil>
}
