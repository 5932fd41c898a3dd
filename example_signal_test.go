package mp_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

var sleeper = mp.Register("example.sleeper", func(ctx context.Context, _ struct{}) (struct{}, error) {
	<-ctx.Done()
	return struct{}{}, nil
})

// The exit code of a process that a signal killed is minus the signal's number, as in
// Python.
func ExampleProcess_Signal() {
	ctx := context.Background()
	for _, send := range []func(*mp.Process) error{
		(*mp.Process).Interrupt,
		(*mp.Process).Terminate,
		(*mp.Process).Kill,
		func(p *mp.Process) error { return p.Signal(os.Kill) },
	} {
		p, err := sleeper.Start(ctx, struct{}{})
		if err != nil {
			log.Fatal(err)
		}
		if err := send(p); err != nil {
			log.Fatal(err)
		}
		<-p.Done()
		fmt.Println(p.ExitCode())
	}
	// Output:
	// -2 true
	// -15 true
	// -9 true
	// -9 true
}
