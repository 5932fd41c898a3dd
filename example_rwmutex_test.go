package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

// readAndDie ends with the lock for reading, writeAndDie with that for writing.
var (
	readAndDie = mp.Register("example.readAndDie", func(ctx context.Context, l *mp.RWMutex) (struct{}, error) {
		defer os.Exit(1)
		return struct{}{}, l.RLock(ctx)
	})
	writeAndDie = mp.Register("example.writeAndDie", func(ctx context.Context, l *mp.RWMutex) (struct{}, error) {
		defer os.Exit(1)
		return struct{}{}, l.Lock(ctx)
	})
)

// A dead reader hinders nobody. A dead writer may have left something half-written.
func ExampleRWMutex() {
	ctx := context.Background()
	l, err := mp.NewRWMutex()
	if err != nil {
		log.Fatal(err)
	}
	defer l.Free()
	if err := l.RLock(ctx); err != nil {
		log.Fatal(err)
	}
	also, err := l.TryRLock()
	fmt.Println("two readers:", also, l.Readers(), err)
	writing, err := l.TryLock()
	fmt.Println("and a writer:", writing, l.Locked(), err)
	fmt.Println(l.RUnlock(), l.RUnlock())

	_, _ = readAndDie.Run(ctx, l)
	fmt.Println("after a dead reader:", l.Lock(ctx))
	owner, held := l.Owner()
	fmt.Println(held, owner.Self(), l.Unlock())

	_, _ = writeAndDie.Run(ctx, l)
	fmt.Println("after a dead writer:", errors.Is(l.RLock(ctx), mp.ErrOwnerDied))
	fmt.Println(l.Recover(ctx, func() error { return nil }))
	// Output:
	// two readers: true 2 <nil>
	// and a writer: false false <nil>
	// <nil> <nil>
	// after a dead reader: <nil>
	// true true <nil>
	// after a dead writer: true
	// <nil>
}
