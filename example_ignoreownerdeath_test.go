package mp_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

var dieQuietly = mp.Register("example.dieQuietly", func(ctx context.Context, m *mp.Mutex) (struct{}, error) {
	return struct{}{}, m.With(ctx, func() error {
		os.Exit(1)
		return nil
	})
})

// Where nothing can be half-done, a lock may pass on as if its owner had unlocked it.
func ExampleIgnoreOwnerDeath() {
	ctx := context.Background()
	m, err := mp.NewMutex(mp.IgnoreOwnerDeath())
	if err != nil {
		log.Fatal(err)
	}
	_, _ = dieQuietly.Run(ctx, m)
	fmt.Println(m.Lock(ctx), m.Unlock())
	// Output: <nil> <nil>
}
