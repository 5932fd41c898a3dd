package mp_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// What begins with Try does not wait.
func ExampleQueue_TryPut() {
	q, err := mp.NewQueue[int](1)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Free()
	fmt.Println(q.TryPut(7), q.Full(), q.Cap())
	fmt.Println(errors.Is(q.TryPut(8), mp.ErrFull))
	fmt.Println(q.TryGet())
	_, err = q.TryGet()
	fmt.Println(errors.Is(err, mp.ErrEmpty))
	_, err = q.TryReceive()
	fmt.Println(errors.Is(err, mp.ErrEmpty))
	// Output:
	// <nil> true 1
	// true
	// 7 <nil>
	// true
	// true
}
