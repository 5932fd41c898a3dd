//go:build !race

package mp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mpgo/mp"
)

var greedy = mp.Register("example.greedy", func(context.Context, struct{}) (struct{}, error) {
	var hoard [][]byte
	for len(hoard) < 1<<20 {
		hoard = append(hoard, []byte(strings.Repeat("x", 1<<20)))
	}
	return struct{}{}, nil
})

// A process that needs more memory than it may ends alone, and says why.
func ExampleWithMemoryLimit() {
	_, err := greedy.Run(context.Background(), struct{}{}, mp.WithMemoryLimit(64<<20))
	var exit *mp.ExitError
	if errors.As(err, &exit) && exit.OOM {
		fmt.Println(exit.Func, "needs more than 64 MiB")
	}
	// Output: example.greedy needs more than 64 MiB
}
