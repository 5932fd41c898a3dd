package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// raise works for Values of any integer type.
func raise[T mp.Integer](v *mp.Value[T], times int) error {
	for range times {
		if _, err := mp.Add(v, 1); err != nil {
			return err
		}
	}
	return nil
}

var raiseOften = mp.Register("example.raiseOften", func(_ context.Context, v *mp.Value[int]) (struct{}, error) {
	return struct{}{}, raise(v, 1000)
})

// Add needs no lock: no increment is lost, whoever else adds.
func ExampleAdd() {
	ctx := context.Background()
	n, err := mp.NewValue(0)
	if err != nil {
		log.Fatal(err)
	}
	var crowd []*mp.Process
	for range 3 {
		p, err := raiseOften.Start(ctx, n)
		if err != nil {
			log.Fatal(err)
		}
		crowd = append(crowd, p)
	}
	for _, p := range crowd {
		if err := p.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(n.Load())
	// Output: 3000
}
