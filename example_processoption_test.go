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

var grandchild = mp.Register("example.grandchild", func(context.Context, struct{}) (struct{}, error) {
	return struct{}{}, nil
})

var surroundings = mp.Register("example.surroundings", func(context.Context, struct{}) (struct{}, error) {
	dir, err := os.Getwd()
	fmt.Println("directory", dir, err)
	fmt.Println("LANGUAGE", os.Getenv("LANGUAGE"))
	fmt.Println("GOMAXPROCS", runtime.GOMAXPROCS(0))
	_, err = grandchild.Start(context.Background(), struct{}{})
	fmt.Println("no children:", errors.Is(err, mp.ErrTooDeep))
	return struct{}{}, nil
})

// Options set what a process has from its first instruction on.
func ExampleProcessOption() {
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	_, err = surroundings.Run(context.Background(), struct{}{},
		mp.WithDir("/"),
		mp.WithEnv(append(os.Environ(), "LANGUAGE=tlh")...),
		mp.WithMaxProcs(1),
		mp.WithNice(5),
		mp.WithMaxDepth(0),
		mp.WithStdio(nil, os.Stdout, os.Stderr),
		mp.WithExecutable(self),
	)
	fmt.Println(err)
	// Output:
	// directory / <nil>
	// LANGUAGE tlh
	// GOMAXPROCS 1
	// no children: true
	// <nil>
}
