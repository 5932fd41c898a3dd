package mp_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mpgo/mp"
)

// isqrt is the integer square root. Its name must be unique in the program; the
// parent and the child find the function by it.
var isqrt = mp.Register("example.isqrt", func(_ context.Context, n int) (int, error) {
	if n < 0 {
		return 0, errors.New("negative")
	}
	root := 0
	for (root+1)*(root+1) <= n {
		root++
	}
	return root, nil
})

// Other processes call a registered function by its name.
func ExampleRegister() {
	ctx := context.Background()
	fmt.Println(isqrt.Name())
	fmt.Println(isqrt.Run(ctx, 17)) // a process for this one call
	fmt.Println(isqrt.Run(ctx, -1)) // an error comes back as one
	// Output:
	// example.isqrt
	// 4 <nil>
	// 0 mp: "example.isqrt": negative
}
