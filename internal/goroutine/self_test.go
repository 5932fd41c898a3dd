package goroutine_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/testkit"
)

func TestSelfTellsGoroutinesApart(t *testing.T) {
	if goroutine.Self() == 0 {
		t.Skip("not known on " + runtime.GOARCH)
	}
	const n = 100
	var mu sync.Mutex
	seen := map[uintptr]bool{goroutine.Self(): true}
	var all, there sync.WaitGroup
	there.Add(n)
	for range n {
		all.Go(func() {
			me := goroutine.Self()
			mu.Lock()
			seen[me] = true
			mu.Unlock()
			there.Done()
			there.Wait() // they all live at a time
			testkit.GrowStack(100)
			runtime.GC()
			if goroutine.Self() != me {
				t.Error("it changed when the stack moved, or the thread")
			}
		})
	}
	all.Wait()
	require.Len(t, seen, n+1)
}

// Goroutines that live at the same time are in different blocks of stack, whatever their
// stacks have grown to, and a Place moves with its stack.
func TestNoTwoGoroutinesAreInOneBlock(t *testing.T) {
	const n = 200
	var mu sync.Mutex
	seen := map[uintptr]bool{}
	var all, there sync.WaitGroup
	there.Add(n)
	for i := range n {
		all.Go(func() {
			var here byte
			at, before := goroutine.At(&here), goroutine.BlockOf(&here)
			if at.Block() != before {
				t.Error("a Place is where its variable is")
			}
			testkit.GrowStack(i)
			if at.Block() != goroutine.BlockOf(&here) || i > 10 && at.Block() == before {
				t.Error("the stack moved, and the Place did not")
			}
			mu.Lock()
			seen[at.Block()] = true
			mu.Unlock()
			there.Done()
			there.Wait() // they all live at a time
		})
	}
	all.Wait()
	require.Len(t, seen, n)
}
