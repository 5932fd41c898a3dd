// Otherbuild has a function of the same name and type as the tests of mp, but is
// another program.
package main

import (
	"context"
	"fmt"

	"github.com/mpgo/mp"
)

var _ = mp.Register("test.square", func(_ context.Context, n int) (int, error) { return -n * n, nil })

func main() {
	mp.Init()
	fmt.Println("not a child")
}
