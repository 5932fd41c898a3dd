package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

var visit = mp.RegisterTask("example.visit", func(_ context.Context, page int) error {
	if page == 2 {
		os.Exit(3)
	}
	return nil
})

// WaitAll waits for several processes, and tells how each failed that did.
func ExampleWaitAll() {
	ctx := context.Background()
	var all []*mp.Process
	for page := range 4 {
		p, err := visit.Start(ctx, page)
		if err != nil {
			log.Fatal(err)
		}
		all = append(all, p)
	}
	err := mp.WaitAll(ctx, all...)
	var exit *mp.ExitError
	fmt.Println(errors.As(err, &exit), exit.Code)
	// Output:
	// true 3
}
