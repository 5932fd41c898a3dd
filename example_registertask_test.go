package mp_test

import (
	"context"
	"fmt"

	"github.com/mpgo/mp"
)

var remove = mp.RegisterTask("example.remove", func(_ context.Context, file string) error {
	fmt.Println("remove", file)
	return nil
})

// A task has no result, only an error.
func ExampleRegisterTask() {
	_, err := remove.Run(context.Background(), "old.txt")
	fmt.Println(err)
	// Output:
	// remove old.txt
	// <nil>
}
