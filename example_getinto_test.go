package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// A row of a picture.
type row [1024]uint8

// Who gets many messages does so into the same memory again and again.
func ExampleQueue_GetInto() {
	ctx := context.Background()
	rows, err := mp.NewQueue[row](4)
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		if err := rows.Put(ctx, row{uint8(i), 7}); err != nil {
			log.Fatal(err)
		}
	}
	if err := rows.Close(); err != nil {
		log.Fatal(err)
	}
	for next := new(row); ; {
		err := rows.GetInto(ctx, next)
		if errors.Is(err, mp.ErrClosed) {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Println("row", next[0], next[1])
	}
	// Output:
	// row 0 7
	// row 1 7
	// row 2 7
}
