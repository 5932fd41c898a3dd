package mp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mpgo/mp"
)

// A kitchen is what a cook and a guest share: the lock comes with the condition.
type kitchen struct {
	Changed *mp.Cond
	Dishes  *mp.Value[int]
}

var cook = mp.Register("example.cook", func(ctx context.Context, k kitchen) (struct{}, error) {
	return struct{}{}, k.Changed.Mutex().With(ctx, func() error {
		if _, err := mp.Add(k.Dishes, 3); err != nil {
			return err
		}
		return k.Changed.NotifyAll()
	})
})

// A Cond is where processes wait for something that a Mutex protects.
func ExampleCond() {
	ctx := context.Background()
	m, err := mp.NewMutex()
	if err != nil {
		log.Fatal(err)
	}
	changed, err := mp.NewCond(m)
	if err != nil {
		log.Fatal(err)
	}
	defer changed.Free()
	dishes, err := mp.NewValue(0)
	if err != nil {
		log.Fatal(err)
	}
	p, err := cook.Start(ctx, kitchen{changed, dishes})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.With(ctx, func() error {
		return changed.WaitFor(ctx, func() bool { return dishes.Load() == 3 })
	}))
	fmt.Println(p.Wait(ctx), "others wait:", changed.Waiting())

	// Within the process: Wait is for one notification, Notify gives some.
	heard := make(chan error)
	if err := m.Lock(ctx); err != nil {
		log.Fatal(err)
	}
	go func() {
		heard <- m.With(ctx, func() error { return changed.Notify(1) })
	}()
	fmt.Println(changed.Wait(ctx), m.Unlock(), <-heard)
	// Output:
	// <nil>
	// <nil> others wait: 0
	// <nil> <nil> <nil>
}
