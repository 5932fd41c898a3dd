package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

// fillHalf is killed when it has written half of the numbers.
var fillHalf = mp.Register("example.fillHalf", func(ctx context.Context, a *mp.Array[int]) (struct{}, error) {
	return struct{}{}, a.Update(ctx, func(s []int) {
		for i := range len(s) / 2 {
			s[i] = i
		}
		os.Exit(1)
	})
})

// An Array is the same memory in all processes, so what one that died in Update had
// written is there. The next Update says so, until somebody has repaired it.
func ExampleArray() {
	ctx := context.Background()
	a, err := mp.NewArray[int](6)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Free()
	_, _ = fillHalf.Run(ctx, a)

	err = a.Update(ctx, func([]int) { fmt.Println("not called") })
	fmt.Println("half-written:", errors.Is(err, mp.ErrOwnerDied), a.Slice())
	err = a.Recover(ctx, func(s []int) error {
		clear(s)
		return nil
	})
	fmt.Println("repaired:", err, a.Slice())

	a.Set(0, 10) // without the lock, for who has an element to itself
	fmt.Println(a.At(0), mp.AddAt(a, 0, 5), a.Len())
	// Output:
	// half-written: true [0 1 2 0 0 0]
	// repaired: <nil> [0 0 0 0 0 0]
	// 10 15 6
}
