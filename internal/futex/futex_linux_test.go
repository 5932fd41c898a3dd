package futex_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Main(m, map[string]testkit.Script{
		"sleeper": sleeper,
		"poor sleeper": func(p *testkit.Peer) {
			if err := sys.ForbidSyscalls(syscall.ENOSYS, sys.SysFutexWaitV); err != nil {
				p.Say(err)
				return
			}
			sleeper(p)
		},
		"forbidden sleeper": func(p *testkit.Peer) {
			if err := sys.ForbidSyscalls(syscall.EPERM, sys.SysFutexWaitV); err != nil {
				p.Say(err)
				return
			}
			sleeper(p)
		},
	})
}

// sleeper waits until one of the first three words of descriptor 3 is no longer
// 0, as often as it is told to, and says which.
func sleeper(p *testkit.Peer) {
	w := testkit.MapWords(nil, os.NewFile(3, "words"))
	for {
		p.Say("waiting", awaitChange(w[:3]), futex.Polling())
		p.Hear()
	}
}

func awaitChange(w []shared.Uint32) int {
	ws := make([]sys.Futex, len(w))
	for {
		for i := range w {
			if w[i].Load() != 0 {
				return i
			}
			ws[i] = sys.Futex{Word: &w[i]}
		}
		if err := futex.Wait(ws, 0); err != nil {
			panic(err)
		}
	}
}

func words(t *testing.T) (*os.File, []shared.Uint32) {
	f, err := sys.Memfd("words", 4096)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f, testkit.MapWords(t, f)
}

func TestEveryWordWakesAnotherProcess(t *testing.T) {
	kernels := map[string]struct {
		script string
		want   string
	}{
		"with futex_waitv":    {"sleeper", "false"},
		"without futex_waitv": {"poor sleeper", "true"},
		"futex_waitv EPERM":   {"forbidden sleeper", "true"},
	}
	for name, kernel := range kernels {
		t.Run(name, func(t *testing.T) {
			testkit.LeakCheck(t)
			f, w := words(t)
			c := testkit.Start(t, kernel.script, f)
			for i, answer := range []string{"waiting 0 ", "waiting 1 ", "waiting 2 "} {
				for futex.Wake(&w[0], 1) == 0 { // until it sleeps
					runtime.Gosched()
				}
				w[i].Store(1)
				futex.WakeAll(&w[i])
				require.Equal(t, answer+kernel.want, c.Hear())
				w[i].Store(0)
				c.Say("again")
			}
		})
	}
}

func TestWakeCountsSleepers(t *testing.T) {
	testkit.LeakCheck(t)
	var w shared.Uint32
	done := make(chan error)
	for range 3 {
		go func() { done <- futex.Wait([]sys.Futex{{Word: &w}}, 0) }()
	}
	for woken := 0; woken < 3; runtime.Gosched() {
		n := futex.Wake(&w, 1)
		require.LessOrEqual(t, n, 1)
		woken += n
	}
	for range 3 {
		require.NoError(t, <-done)
	}
	require.Zero(t, futex.WakeAll(&w))
}

// poorly runs a test as on a kernel without futex_waitv, too.
func poorly(t *testing.T, test func(t *testing.T)) {
	t.Run("futex_waitv", test)
	t.Run("polling", func(t *testing.T) {
		futex.SetPolling(true)
		defer futex.SetPolling(false)
		test(t)
	})
}

func TestDeadline(t *testing.T) {
	poorly(t, func(t *testing.T) {
		var w [2]shared.Uint32
		ws := []sys.Futex{{Word: &w[0]}, {Word: &w[1]}}
		for _, after := range []time.Duration{-time.Second, 0, time.Millisecond, 50 * time.Millisecond} {
			deadline := sys.Monotonic() + int64(after)
			err := futex.Wait(ws, deadline)
			for err == nil {
				err = futex.Wait(ws, deadline)
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.GreaterOrEqual(t, sys.Monotonic(), deadline)
		}
	})
}

func TestAChangedWordIsNotSleptOn(t *testing.T) {
	poorly(t, func(t *testing.T) {
		for i := range 3 {
			var w [3]shared.Uint32
			w[i].Store(1)
			require.NoError(t, futex.Wait([]sys.Futex{{Word: &w[0]}, {Word: &w[1]}, {Word: &w[2]}}, 0))
		}
	})
}

func TestPollingIsBounded(t *testing.T) {
	futex.SetPolling(true)
	defer futex.SetPolling(false)
	var w [2]shared.Uint32
	require.NoError(t, futex.Wait([]sys.Futex{{Word: &w[0]}, {Word: &w[1]}}, 0), "it comes back by itself")
}

func TestWaitAllocatesNothing(t *testing.T) {
	poorly(t, func(t *testing.T) {
		var w [2]shared.Uint32
		ws := []sys.Futex{{Word: &w[0], Val: 1}, {Word: &w[1]}}
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = futex.Wait(ws, 0) }))
		ws[0].Val = 0
		require.Zero(t, testing.AllocsPerRun(10, func() { _ = futex.Wait(ws, 1) }))
	})
}
