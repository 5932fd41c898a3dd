package mp

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// exitHooks are what AtExit was called with, and whether they were run.
var exitHooks struct {
	mu   sync.Mutex
	list []func() // those that have not begun
	any  bool     // AtExit was called
	once sync.Once
	done chan struct{} // closed when all have been run
}

// exitHookGrace is how long the hooks of a process whose parent died may take.
const exitHookGrace = 50 * time.Millisecond

// AtExit has f called when this process comes to its end: the latest first, one
// after the other. In a child that is when its function has returned, with an
// error, by a panic or well, and its result is on the way to the parent; when a
// pool dismisses a worker; and when the parent has died, and then f may be cut off
// after some milliseconds. In the first process it is in Shutdown.
//
// A crash, a kill and os.Exit leave no time for it: what must not be lost belongs
// where a death does not lose it, such as a Queue or a Value. A panic of f is
// printed, and the other functions are called all the same.
//
// Python: atexit, and multiprocessing.util.Finalize with an exit priority.
func AtExit(f func()) {
	exitHooks.mu.Lock()
	defer exitHooks.mu.Unlock()
	exitHooks.list = append(exitHooks.list, f)
	exitHooks.any = true
}

// hasExitHooks reports whether there ever were any: they may be running.
func hasExitHooks() bool {
	exitHooks.mu.Lock()
	defer exitHooks.mu.Unlock()
	return exitHooks.any
}

// runExitHooks begins to call the hooks, unless somebody has. The channel is closed
// when all have been called.
func runExitHooks() <-chan struct{} {
	exitHooks.once.Do(func() {
		exitHooks.done = make(chan struct{})
		go func() {
			defer close(exitHooks.done)
			for f := lastExitHook(); f != nil; f = lastExitHook() {
				runExitHook(f)
			}
		}()
	})
	return exitHooks.done
}

// lastExitHook takes the latest hook off the list. Hooks may add others.
func lastExitHook() func() {
	exitHooks.mu.Lock()
	defer exitHooks.mu.Unlock()
	n := len(exitHooks.list)
	if n == 0 {
		return nil
	}
	f := exitHooks.list[n-1]
	exitHooks.list = exitHooks.list[:n-1]
	return f
}

func runExitHook(f func()) {
	done := make(chan struct{})
	go func() { // runtime.Goexit ends this goroutine only
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				fmt.Fprintf(os.Stderr, "mp: an AtExit function of process %s panicked: %v\n%s", Current().Name, v, debug.Stack())
			}
		}()
		f()
	}()
	<-done
}
