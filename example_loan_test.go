package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// An imaging process sends images without a copy: it fills memory on loan, and the
// other side reads it there.
var imaging = mp.Register("example.imaging", func(ctx context.Context, images *mp.Queue[[]byte]) (struct{}, error) {
	image, err := mp.Loan(images, 4<<20)
	if err != nil {
		return struct{}{}, err
	}
	for i := range image.Slice() {
		image.Slice()[i] = 7
	}
	return struct{}{}, image.Publish(ctx)
})

func ExampleLoan() {
	ctx := context.Background()
	images, err := mp.NewQueue[[]byte](1)
	if err != nil {
		log.Fatal(err)
	}
	defer images.Free()
	if _, err := imaging.Run(ctx, images); err != nil {
		log.Fatal(err)
	}
	another, err := mp.Loan(images, 4)
	if err != nil {
		log.Fatal(err)
	}
	if err := another.TryPublish(); errors.Is(err, mp.ErrFull) {
		another.Discard()
	}

	image, err := mp.Borrow(ctx, images)
	if err != nil {
		log.Fatal(err)
	}
	pixels := image.Slice()
	fmt.Println(len(pixels), pixels[0], pixels[len(pixels)-1])
	image.Release()
	_, err = mp.TryBorrow(images)
	fmt.Println(errors.Is(err, mp.ErrEmpty))
	// Output:
	// 4194304 7 7
	// true
}
