package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// patience waits for its stdin of sorts: an event.
var patience = mp.Register("example.patience", func(ctx context.Context, goOn *mp.Event) (struct{}, error) {
	return struct{}{}, goOn.Wait(ctx)
})

// A Process is watched and waited for.
func ExampleProcess() {
	ctx := context.Background()
	goOn, err := mp.NewEvent()
	if err != nil {
		log.Fatal(err)
	}
	p, err := patience.Start(ctx, goOn, mp.WithName("waiter"))
	if err != nil {
		log.Fatal(err)
	}
	_, exited := p.ExitCode()
	fmt.Println(p.Name(), "alive:", p.Alive(), "has a pid:", p.PID() > 0, "exited:", exited)
	for _, child := range mp.ActiveChildren() {
		fmt.Println("active:", child.Name())
	}

	if err := goOn.Set(); err != nil {
		log.Fatal(err)
	}
	<-p.Done() // or p.Wait, which returns the error
	code, exited := p.ExitCode()
	fmt.Println("alive:", p.Alive(), "exit code:", code, exited)
	fmt.Println(p.Release(), p.Wait(ctx) != nil) // it cannot be used any more
	// Output:
	// waiter alive: true has a pid: true exited: false
	// active: waiter
	// alive: false exit code: 0 true
	// <nil> true
}
