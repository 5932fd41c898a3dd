package sys_test

import (
	"math"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

func init() {
	// Sleeps on the words of descriptor 3 and says how it was woken: by FutexWait
	// on the first word, then by FutexWaitV on the first three.
	scripts["sleeper"] = func(p *testkit.Peer) {
		w := testkit.MapWords(nil, os.NewFile(3, "words"))
		p.Say("ready")
		err := sys.FutexWait(&w[0], 0, 0)
		p.Say(err, w[0].Load())
		ws := []sys.Futex{{Word: &w[0], Val: 1}, {Word: &w[1]}, {Word: &w[2]}}
		err = sys.FutexWaitV(ws, 0)
		p.Say(err, w[2].Load())
	}
	// Puts the first word of descriptor 3 on its robust list.
	scripts["robust"] = func(p *testkit.Peer) {
		f := os.NewFile(3, "words")
		runtime.LockOSThread()
		tid, err := watchThread(f)
		p.Say(err, tid)
		p.Hear()
	}
}

// wakeOne wakes whoever sleeps on w, as soon as somebody does.
func wakeOne(w *shared.Uint32) {
	for sys.FutexWake(w, math.MaxInt) == 0 {
		runtime.Gosched()
	}
}

func TestFutexWakesAnotherProcess(t *testing.T) {
	testkit.LeakCheck(t)
	f := memfd(t, 4096)
	w := testkit.MapWords(t, f)
	c := testkit.Start(t, "sleeper", f)
	require.Equal(t, "ready", c.Hear())
	w[0].Store(1)
	sys.FutexWake(&w[0], 1)
	require.Equal(t, "<nil> 1", c.Hear(), "a wake, or a value that has changed: either way it goes on")
	wakeOne(&w[2])
	require.Equal(t, "<nil> 0", c.Hear())
	require.NoError(t, c.Wait())
}

func TestFutexWaitComparesFirst(t *testing.T) {
	var w shared.Uint32
	w.Store(7)
	require.NoError(t, sys.FutexWait(&w, 8, 0))
	require.NoError(t, sys.FutexWaitV([]sys.Futex{{Word: &w, Val: 7}, {Word: &w, Val: 8}}, 0))
}

func TestFutexDeadline(t *testing.T) {
	var w shared.Uint32
	waits := map[string]func(deadline int64) error{
		"one":  func(d int64) error { return sys.FutexWait(&w, 0, d) },
		"many": func(d int64) error { return sys.FutexWaitV([]sys.Futex{{Word: &w}, {Word: &w}}, d) },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			for _, past := range []int64{-1, math.MinInt64, 1, sys.Monotonic()} {
				require.ErrorIs(t, wait(past), os.ErrDeadlineExceeded)
			}
			deadline := sys.Monotonic() + int64(5*time.Millisecond)
			err := wait(deadline)
			for err == nil { // a signal to this thread
				err = wait(deadline)
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.GreaterOrEqual(t, sys.Monotonic(), deadline)
		})
	}
}

func TestFutexWaitVNumbers(t *testing.T) {
	words := make([]shared.Uint32, sys.MaxFutexes+1)
	ws := make([]sys.Futex, len(words))
	for i := range ws {
		ws[i].Word = &words[i]
	}
	require.ErrorIs(t, sys.FutexWaitV(ws, 0), syscall.EINVAL)
	require.ErrorIs(t, sys.FutexWaitV(nil, 0), syscall.EINVAL)
	for _, n := range []int{1, 8, 9, sys.MaxFutexes} {
		woken := make(chan error)
		go func() { woken <- sys.FutexWaitV(ws[:n], 0) }()
		wakeOne(&words[n-1])
		require.NoError(t, <-woken)
	}
}

func TestSleepersDoNotHoldUpTheRuntime(t *testing.T) {
	testkit.LeakCheck(t)
	var w shared.Uint32
	n := 2 * runtime.GOMAXPROCS(0) // each would keep a P, were it not for Syscall6
	done := make(chan error, n)
	for range n {
		go func() { done <- sys.FutexWait(&w, 0, 0) }()
	}
	for range 3 {
		runtime.Gosched()
		runtime.GC()
	}
	for w.Store(1); len(done) < n; runtime.Gosched() {
		sys.FutexWake(&w, n)
	}
	for range n {
		require.NoError(t, <-done)
	}
}

func TestFutexAllocatesNothing(t *testing.T) {
	words := make([]shared.Uint32, sys.MaxFutexes)
	ws := make([]sys.Futex, len(words))
	for i := range ws {
		ws[i].Word = &words[i]
	}
	words[0].Store(1) // so that nobody sleeps
	for _, n := range []int{1, 8, 9, sys.MaxFutexes} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = sys.FutexWaitV(ws[:n], 0) }), "%d words", n)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = sys.FutexWait(&words[0], 0, 1)
		_ = sys.FutexWait(&words[1], 0, 1)
		sys.FutexWake(&words[0], 1)
	}))
}

// The word carries FUTEX_WAITERS and the thread's number; the kernel adds
// FUTEX_OWNER_DIED (include/uapi/linux/futex.h) and wakes a sleeper.
func TestRobustListTellsOfAKill(t *testing.T) {
	testkit.LeakCheck(t)
	const ownerDied, tidMask = 1 << 30, 1<<30 - 1
	f := memfd(t, 4096)
	w := testkit.MapWords(t, f)
	c := testkit.Start(t, "robust", f)
	require.Contains(t, c.Hear(), "<nil>")
	life := w[0].Load()
	require.NotZero(t, life&tidMask)
	require.Zero(t, life&ownerDied)

	woken := make(chan error)
	go func() {
		err := error(nil)
		for err == nil && w[0].Load() == life {
			err = sys.FutexWaitV([]sys.Futex{{Word: &w[1]}, {Word: &w[0], Val: life}}, 0)
		}
		woken <- err
	}()
	c.Kill()
	require.NoError(t, <-woken)
	require.NotZero(t, w[0].Load()&ownerDied)
}
