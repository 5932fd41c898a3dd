package mp_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"

	"github.com/mpgo/mp"
)

var recognise = mp.Register("example.recognise", func(_ context.Context, page int) (int, error) {
	return 100 * page, nil
})

// A Progress shows a bar on a terminal, or now and then a line. Messages written to it
// appear above the bar.
func ExampleProgress() {
	ctx := context.Background()
	pool, err := mp.NewPool(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	pages := []int{1, 2, 3}
	progress := &mp.Progress{Output: os.Stdout, Pool: pool, Total: len(pages),
		Line: func(s mp.ProgressState) string { return fmt.Sprintf("%d of %d pages", s.Done, s.Total) }}
	for words, err := range mp.Track(progress, recognise.MapSeq(ctx, pool, slices.Values(pages))) {
		fmt.Fprintln(progress, words, "words", err)
	}
	// Output:
	// 100 words <nil>
	// 200 words <nil>
	// 300 words <nil>
}
