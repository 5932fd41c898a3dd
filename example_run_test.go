package mp_test

import (
	"context"
	"fmt"

	"github.com/mpgo/mp"
)

var double = mp.Register("example.double", func(_ context.Context, n int) (int, error) {
	return 2 * n, nil
})

// Run is a process for one call. The process is gone when it returns.
func ExampleFunc_Run() {
	n, err := double.Run(context.Background(), 21)
	fmt.Println(n, err)
	// Output: 42 <nil>
}
