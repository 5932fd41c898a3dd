package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

var leaveWithSeat = mp.Register("example.leaveWithSeat", func(ctx context.Context, seats *mp.BoundedSemaphore) (struct{}, error) {
	defer os.Exit(1)
	return struct{}{}, seats.Acquire(ctx)
})

// The permits of a BoundedSemaphore belong to processes, and come back when those die.
func ExampleBoundedSemaphore() {
	ctx := context.Background()
	seats, err := mp.NewBoundedSemaphore(2)
	if err != nil {
		log.Fatal(err)
	}
	defer seats.Free()
	if err := seats.Acquire(ctx); err != nil {
		log.Fatal(err)
	}
	_, _ = leaveWithSeat.Run(ctx, seats)
	got, err := seats.TryAcquire()
	fmt.Println("the dead's seat:", got, err)
	fmt.Println(seats.Value(), "of", seats.Limit(), "are free")
	fmt.Println(seats.Release(), seats.Release())
	fmt.Println("once too often:", errors.Is(seats.Release(), mp.ErrOverRelease))
	// Output:
	// the dead's seat: true <nil>
	// 0 of 2 are free
	// <nil> <nil>
	// once too often: true
}
