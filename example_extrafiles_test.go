package mp_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/mpgo/mp"
)

var copies = mp.Register("example.copies", func(context.Context, struct{}) (struct{}, error) {
	files := mp.ExtraFiles()
	_, err := io.Copy(files[1], files[0])
	return struct{}{}, err
})

// A process gets open files beside standard input, output and error.
func ExampleWithExtraFiles() {
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(w, "through two files")
	w.Close()
	_, err = copies.Run(context.Background(), struct{}{}, mp.WithExtraFiles(r, os.Stdout))
	fmt.Println(err)
	// Output:
	// through two files
	// <nil>
}
