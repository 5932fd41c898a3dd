package mp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/mpgo/mp"
)

var logLevel = mp.Register("example.logLevel", func(ctx context.Context, _ struct{}) (string, error) {
	log := mp.Logger()
	return fmt.Sprintf("info %v, debug %v", log.Enabled(ctx, slog.LevelInfo), log.Enabled(ctx, slog.LevelDebug)), nil
})

// The level of a logger is passed on to processes that are started later.
func ExampleSetLogger() {
	mp.SetLogger(slog.New(slog.NewTextHandler(io.Discard, nil))) // from Info on
	defer mp.SetLogger(nil)
	inherited, err := logLevel.Run(context.Background(), struct{}{})
	fmt.Println(inherited, err)
	// Output: info true, debug false <nil>
}
