package mp_test

import (
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// SetArenaSize is for the start of main. Here it comes too late.
func ExampleSetArenaSize() {
	e, err := mp.NewEvent()
	if err != nil {
		log.Fatal(err)
	}
	defer e.Free()
	fmt.Println(mp.SetArenaSize(mp.DefaultArenaSize) != nil)
	// Output: true
}
