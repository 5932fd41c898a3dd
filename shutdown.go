package mp

import (
	"context"
	"fmt"
	"sync"
)

// Shutdown brings the processes that this one started to their end: it stops its
// pools, waits until all other children have ended by themselves, and then calls what
// AtExit was given. It is meant for the end of main, as Python does it at the exit of
// a program:
//
//	defer mp.Shutdown(ctx)
//
// When ctx ends, what is left is told to end, as if the context of its Start had
// ended, and is killed after its grace. Then Shutdown returns ctx's error, still not
// before all are gone. Detached processes are left alone.
//
// Without Shutdown a program that ends takes its children with it all the same: they
// notice, and have a few milliseconds.
func Shutdown(ctx context.Context) error {
	n := 0
	for left := owing(); len(left) > 0; left = owing() {
		n += dismiss(ctx, left)
	}
	<-runExitHooks()
	if n > 0 {
		return fmt.Errorf("mp: shutdown: %d processes had to be ended: %w", n, ctx.Err())
	}
	return nil
}

// owing are the children that have to end before this process may.
func owing() (left []*Process) {
	for _, p := range ActiveChildren() {
		if !p.detached {
			left = append(left, p)
		}
	}
	return left
}

// dismiss waits for the end of these processes, and returns how many had to be ended
// because ctx did.
func dismiss(ctx context.Context, left []*Process) (n int) {
	var all sync.WaitGroup
	for _, p := range left {
		if p.owner != nil {
			all.Go(func() { _ = p.owner.Stop() })
		}
	}
	for _, p := range left {
		select {
		case <-p.done:
		case <-ctx.Done():
			if p.owner == nil {
				n++
				all.Go(p.end)
			}
		}
	}
	all.Wait()
	return n
}
