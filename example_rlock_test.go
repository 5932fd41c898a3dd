package mp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/mpgo/mp"
)

var dieAsHolder = mp.Register("example.dieAsHolder", func(ctx context.Context, l *mp.RLock) (struct{}, error) {
	defer os.Exit(1)
	return struct{}{}, l.Holder().Lock(ctx)
})

// Goroutines have no identity, so who holds the lock, and may lock it again, is a
// Holder.
func ExampleRLock() {
	ctx := context.Background()
	l, err := mp.NewRLock()
	if err != nil {
		log.Fatal(err)
	}
	defer l.Free()
	me, other := l.Holder(), l.Holder()
	fmt.Println(me.With(ctx, func() error {
		if err := me.Lock(ctx); err != nil { // once more
			return err
		}
		got, err := other.TryLock()
		fmt.Println("locked", me.Count(), "times; somebody else:", got, err)
		return me.Unlock()
	}))
	_, held := l.Owner()
	fmt.Println("still locked:", l.Locked(), held)

	_, _ = dieAsHolder.Run(ctx, l)
	fmt.Println("after a death:", errors.Is(me.Lock(ctx), mp.ErrOwnerDied))
	fmt.Println(l.Recover(ctx, func() error { return nil }))
	// Output:
	// locked 2 times; somebody else: false <nil>
	// <nil>
	// still locked: false false
	// after a death: true
	// <nil>
}
