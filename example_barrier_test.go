package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime"

	"github.com/mpgo/mp"
)

// A hike goes on when everybody has arrived.
type hike struct {
	Rest  *mp.Barrier
	Lives int // to see so many rests
}

func (h *hike) Run(ctx context.Context) error {
	for range h.Lives {
		if _, err := h.Rest.Wait(ctx); err != nil {
			return err
		}
	}
	go h.Rest.Wait(ctx) // and in the middle of the next one …
	for h.Rest.Waiting() == 0 {
		runtime.Gosched()
	}
	os.Exit(1)
	return nil
}

var setOut = mp.RegisterType[hike]("example.hike")

// A party that dies at a Barrier breaks it for the others at once.
func ExampleBarrier() {
	ctx := context.Background()
	rest, err := mp.NewBarrier(2)
	if err != nil {
		log.Fatal(err)
	}
	defer rest.Free()
	if err := rest.SetAction(func() error { return nil }); err != nil { // called by the last to arrive
		log.Fatal(err)
	}
	p, err := setOut.Start(ctx, hike{rest, 1})
	if err != nil {
		log.Fatal(err)
	}
	_, err = rest.Wait(ctx)
	fmt.Println("both are there:", err)
	<-p.Done()
	_, err = rest.Wait(ctx)
	fmt.Println("broken:", errors.Is(err, mp.ErrBrokenBarrier), rest.Broken())

	fmt.Println(rest.Reset(), rest.Broken(), "parties:", rest.Parties())
	fmt.Println(rest.Abort(), rest.Broken()) // breaks it on purpose
	// Output:
	// both are there: <nil>
	// broken: true true
	// <nil> false parties: 2
	// <nil> true
}
