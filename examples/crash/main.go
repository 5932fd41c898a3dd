// Command crash has a pool whose workers run code that crashes on some of its input, as
// native libraries do: a crash that no recover can stop, in Go or in any language. Here it
// costs one task, which fails and says why. The others are done. Standard error has, as
// of any program in Go, all that is known of a crash.
//
// Python: Pool, whose map waits for ever for what a worker that crashed was at, and
// concurrent.futures, where one crash fails all that is waiting.
//
//	$ go run ./examples/crash 2>/dev/null
//	page 1: rendered
//	page 2: rendered
//	page 3: mp: the pool's worker (pid 2904) running "render" exited with code 2: fatal error: fault [signal SIGSEGV: segmentation violation code=0x2 addr=0x7f76b87c0000 pc=0x5a3f1e]
//	        main.nativeBug()
//	page 4: rendered
//	page 5: mp: the pool's worker (pid 2911) running "render" was killed by signal 9 (killed)
//	page 6: rendered
//	4 of 6 pages are rendered, 2 workers have died
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/edsrzf/mmap-go"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/examples/internal/program"
)

var render = mp.Register("render", func(_ context.Context, page int) (string, error) {
	switch page {
	case 3:
		return "", nativeBug()
	case 5: // as the system does when memory runs out
		program.Die()
	}
	return "rendered", nil
})

// nativeBug writes where it may not. No safe Go code does; C code does when it is wrong.
func nativeBug() error {
	memory, err := mmap.MapRegion(nil, os.Getpagesize(), mmap.RDONLY, mmap.ANON, 0)
	if err != nil {
		return err
	}
	memory[0] = 1
	return nil
}

func main() {
	mp.Init()
	workers := flag.Int("workers", 0, "how many worker `processes`; 0 is one a CPU")
	n := program.Count("pages", 1, 6, "how many pages there are")
	program.Main(func(ctx context.Context) error { return run(ctx, *workers, *n) })
}

func run(ctx context.Context, workers, n int) error {
	pool, err := mp.NewPool(ctx, workers)
	if err != nil {
		return err
	}
	defer pool.Stop()
	pages := func(yield func(int) bool) {
		for page := 1; page <= n && yield(page); page++ {
		}
	}
	page, rendered := 0, 0
	for result, err := range render.MapSeq(ctx, pool, pages) {
		page++
		var died *mp.WorkerDiedError
		switch {
		case err == nil:
			rendered++
			fmt.Printf("page %d: %s\n", page, result)
		case errors.As(err, &died): // or run it again: mp.WithRetries
			fmt.Printf("page %d: %v\n", page, err)
			showPlace(died.Stderr)
		default:
			return err
		}
	}
	fmt.Printf("%d of %d pages are rendered, %d workers have died\n", rendered, n, pool.Stats().Died)
	return nil
}

// showPlace prints the first line of a crash's stack that is of this program.
func showPlace(stack string) {
	for line := range strings.Lines(stack) {
		if strings.HasPrefix(line, "main.") {
			fmt.Print("        ", line)
			return
		}
	}
}
