// Package futex is how a goroutine sleeps on words of shared memory until another
// process changes one of them and says so.
//
// A sleeper names each word with the value it saw there when it decided to
// sleep; the kernel compares once more before it lets it sleep, so that a change
// in between is not slept through. Whoever changes a word stores first and wakes
// afterwards. A process may be killed between the two, which is why a sleeper
// adds a word that is changed and woken after each death, and why nobody trusts a
// return from Wait: it says "look again", not what there is to see.
package futex

import (
	"errors"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
)

// pollEvery bounds a sleep where the kernel can watch one word only: a change of
// the other ones is seen that much later at worst.
const pollEvery = int64(20 * time.Millisecond)

// polling is true where the kernel cannot watch several words: Linux before
// 5.16, and sandboxes that do not know of futex_waitv. Found out by the first
// Wait, once for the process.
var polling atomic.Bool

// SetPolling makes Wait do as it does on kernels without futex_waitv, for tests.
func SetPolling(on bool) { polling.Store(on) }

// Polling reports whether Wait makes do without futex_waitv.
func Polling() bool { return polling.Load() }

// Wait sleeps until one of the words is woken, if all of them hold their values.
// It returns nil whenever it is worth looking again, which may be for no reason
// that can be seen. Past the deadline, in nanoseconds of sys.Monotonic, it returns
// os.ErrDeadlineExceeded; 0 is no deadline. Other errors mean that it cannot
// sleep at all.
//
// The goroutine keeps its thread meanwhile: one goroutine of a process should
// sleep here for all that want the same.
func Wait(ws []sys.Futex, deadline int64) error {
	if explored(ws, deadline) {
		return nil
	}
	if !polling.Load() {
		err := sys.FutexWaitV(ws, deadline)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		polling.Store(true)
	}
	return poll(ws, deadline)
}

// poll sleeps on the first word, but not for long. The others are compared
// before: most changes of them come before the sleep, not in it.
func poll(ws []sys.Futex, deadline int64) error {
	for _, w := range ws[1:] {
		if w.Word.Load() != w.Val {
			return nil
		}
	}
	short := sys.Monotonic() + pollEvery
	if deadline != 0 && deadline <= short {
		return sys.FutexWait(ws[0].Word, ws[0].Val, deadline)
	}
	err := sys.FutexWait(ws[0].Word, ws[0].Val, short)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil // not the caller's deadline
	}
	return err
}

// Wake wakes up to n of those who sleep on w, in all processes, and returns how
// many there were.
func Wake(w *shared.Uint32, n int) int {
	if woken, ok := exploredWake(w, n); ok {
		return woken
	}
	return sys.FutexWake(w, n)
}

// WakeAll wakes everyone who sleeps on w.
func WakeAll(w *shared.Uint32) int { return Wake(w, math.MaxInt32) }
