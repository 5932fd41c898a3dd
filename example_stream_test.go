package mp_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/mpgo/mp"
)

// A pipe of bytes is an io.ReadWriteCloser with deadlines.
func ExampleNewStream() {
	a, b, err := mp.NewPipe[[]byte]()
	if err != nil {
		log.Fatal(err)
	}
	w, r := mp.NewStream(a), mp.NewStream(b)
	_ = w.SetDeadline(time.Now().Add(time.Hour)) // both of the following
	_ = w.SetReadDeadline(time.Time{})
	_ = w.SetWriteDeadline(time.Time{})
	fmt.Fprintf(w, "%d bottles", 3)
	_ = w.CloseWrite()
	text, err := io.ReadAll(r)
	fmt.Println(string(text), err)

	_ = w.SetReadDeadline(time.Now())
	_, err = w.Read(make([]byte, 1))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	fmt.Println(w.Close(), r.Close())
	// Output:
	// 3 bottles <nil>
	// true
	// <nil> <nil>
}
