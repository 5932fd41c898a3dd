package mp_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mpgo/mp"
)

var crash = mp.Register("example.crash", func(context.Context, struct{}) (struct{}, error) {
	os.Exit(3) // or a fatal error of the runtime, a segmentation fault in C, the OOM killer
	return struct{}{}, nil
})

// An ExitError says how a process ended that gave no answer.
func ExampleExitError() {
	_, err := crash.Run(context.Background(), struct{}{}, mp.WithName("crasher"))
	var exit *mp.ExitError
	if errors.As(err, &exit) {
		fmt.Println(exit.Name, exit.Func, exit.Code)
	}
	// Output: crasher example.crash 3
}
