package mp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mpgo/mp"
)

var careless = mp.Register("example.careless", func(_ context.Context, n int) (int, error) {
	return 1 / n, nil
})

// A panic ends the call, not the program. Its stack comes with it.
func ExamplePanicError() {
	_, err := careless.Run(context.Background(), 0)
	var p *mp.PanicError
	if errors.As(err, &p) {
		fmt.Println(p.Func, "panicked:", p.Value)
		fmt.Println("the stack has this file:", strings.Contains(p.Stack, "example_panicerror_test.go"))
	}
	// Output:
	// example.careless panicked: runtime error: integer divide by zero
	// the stack has this file: true
}
