package mp_test

import (
	"context"
	"fmt"

	"github.com/mpgo/mp"
)

var cube = mp.Register("example.cube", func(_ context.Context, n int) (int, error) {
	return n * n * n, nil
})

// The body of this function could be that of main. In the process that cube.Run
// starts, which is this program again, Init calls cube and does not return.
func ExampleInit() {
	mp.Init()
	fmt.Println("in a child:", mp.IsChild())
	n, err := cube.Run(context.Background(), 3)
	fmt.Println(n, err)
	// Output:
	// in a child: false
	// 27 <nil>
}
