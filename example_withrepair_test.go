package mp_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

// A scale is what the lock protects: Left and Right make 100, except while it is held.
type scale struct {
	Lock        *mp.Mutex
	Left, Right *mp.Value[int]
}

var tip = mp.RegisterTask("example.tip", func(ctx context.Context, s scale) error {
	return s.Lock.With(ctx, func() error {
		defer os.Exit(1) // before the other half
		return s.Left.Store(30)
	})
})

// WithRepair is With for data that can be repaired when somebody died over it.
func ExampleMutex_WithRepair() {
	ctx := context.Background()
	lock, err := mp.NewMutex()
	if err != nil {
		log.Fatal(err)
	}
	left, err := mp.NewValue(50)
	if err != nil {
		log.Fatal(err)
	}
	right, err := mp.NewValue(50)
	if err != nil {
		log.Fatal(err)
	}
	_, _ = tip.Run(ctx, scale{lock, left, right})

	repair := func() error {
		fmt.Println("somebody died:", left, right)
		return right.Store(100 - left.Load())
	}
	fmt.Println(lock.WithRepair(ctx, repair, func() error {
		fmt.Println(left, right)
		return nil
	}))
	// Output:
	// somebody died: 30 50
	// 30 70
	// <nil>
}
