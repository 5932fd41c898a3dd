package mp_test

import (
	"context"
	"fmt"

	"github.com/mpgo/mp"
)

var whoAmI = mp.Register("example.whoAmI", func(context.Context, struct{}) (string, error) {
	return fmt.Sprintf("%s, child of %s", mp.Current().Name, mp.Parent().Name), nil
})

func ExampleCurrent() {
	s, err := whoAmI.Run(context.Background(), struct{}{}, mp.WithName("worker"))
	fmt.Println(s, err)
	fmt.Println("the first process has no parent:", mp.Parent() == nil)
	// Output:
	// worker, child of main <nil>
	// the first process has no parent: true
}
