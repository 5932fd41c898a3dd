package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

var prepare = mp.Register("example.prepare", func(ctx context.Context, o *mp.Once) (struct{}, error) {
	return struct{}{}, o.Do(ctx, func() error {
		fmt.Println("prepared")
		return nil
	})
})

// A Once is done by one of all processes; if that dies in it, by the next.
func ExampleOnce() {
	ctx := context.Background()
	o, err := mp.NewOnce()
	if err != nil {
		log.Fatal(err)
	}
	defer o.Free()
	for range 3 {
		if _, err := prepare.Run(ctx, o); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(o.Done())
	// Output:
	// prepared
	// true
}
