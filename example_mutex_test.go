package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

// dieWithIt ends while it has the lock.
var dieWithIt = mp.Register("example.dieWithIt", func(ctx context.Context, m *mp.Mutex) (struct{}, error) {
	if err := m.Lock(ctx); err != nil {
		return struct{}{}, err
	}
	os.Exit(1)
	return struct{}{}, m.Unlock()
})

// The death of a lock's owner is an error of the next Lock, and of all until somebody
// has repaired what the lock protects.
func ExampleMutex() {
	ctx := context.Background()
	m, err := mp.NewMutex()
	if err != nil {
		log.Fatal(err)
	}
	defer m.Free()
	fmt.Println(m.With(ctx, func() error { // Lock, and Unlock whatever happens
		owner, held := m.Owner()
		fmt.Println("locked:", m.Locked(), "by some process:", held, "by this one:", owner.Self())
		return nil
	}))

	_, _ = dieWithIt.Run(ctx, m)
	locked, err := m.TryLock()
	fmt.Println(locked, errors.Is(err, mp.ErrOwnerDied))
	fmt.Println(m.Recover(ctx, func() error {
		fmt.Println("repair what it may have left half-done")
		return nil
	}))
	fmt.Println(m.Lock(ctx), m.Unlock())
	// Output:
	// locked: true by some process: true by this one: true
	// <nil>
	// false true
	// repair what it may have left half-done
	// <nil>
	// <nil> <nil>
}
