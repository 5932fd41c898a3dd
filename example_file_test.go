package mp_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

var writesLine = mp.Register("example.writesLine", func(ctx context.Context, to *mp.File) (struct{}, error) {
	f, err := to.Open(ctx)
	if err != nil {
		return struct{}{}, err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, "from another process")
	return struct{}{}, err
})

// A File is an open file, a pipe or a socket that can be sent like any other shared
// object, and opened wherever it arrives.
func ExampleFile() {
	ctx := context.Background()
	to, err := mp.NewFile(ctx, os.Stdout)
	if err != nil {
		log.Fatal(err)
	}
	defer to.Free()
	for range 2 {
		if _, err := writesLine.Run(ctx, to); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// from another process
	// from another process
}
