package ipc

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// lockBench is what the processes of these tests share.
type lockBench struct {
	mutex   MutexState
	_       [120]byte
	counter int64 // guarded by mutex
	_       [120]byte
	ready   shared.Int64
	stop    atomic.Bool
}

func init() {
	// Takes the lock and keeps it.
	parts["hold"] = func(a *shm.Arena, mem []byte, _ string) {
		m := NewMutex(a, &shm.At[lockBench](mem, 0).mutex)
		say(m.Lock(context.Background()))
		switch hear() {
		case "unlock":
			say(m.Unlock())
		}
		hear()
	}
	// Waits for the lock, and tells that it is about to.
	parts["want"] = func(a *shm.Arena, mem []byte, _ string) {
		m := NewMutex(a, &shm.At[lockBench](mem, 0).mutex)
		say("wanting")
		err := m.Lock(context.Background())
		switch {
		case errors.Is(err, ErrOwnerDied):
			say("owner died")
		case err == nil:
			say("locked")
		default:
			say(err)
		}
		hear()
	}
	// Locks and unlocks for ever, or so many times, raising the counter.
	parts["count"] = func(a *shm.Arena, mem []byte, arg string) {
		b := shm.At[lockBench](mem, 0)
		m := NewMutex(a, &b.mutex)
		n, _ := strconv.Atoi(arg)
		b.ready.Add(1)
		for b.ready.Load() >= 0 {
			runtime.Gosched()
		}
		for i := 0; (n == 0 || i < n) && !b.stop.Load(); i++ {
			if err := lockOrRecover(context.Background(), m); err != nil {
				say(err)
				return
			}
			b.counter++
			if err := m.Unlock(); err != nil {
				say(err)
				return
			}
		}
		say("done")
	}
}

// _TestLock.test_lock_locked_2processes
func TestMutexIsSeenByAnotherProcess(t *testing.T) {
	y := newYard(t, 1024)
	m := NewMutex(y, &shm.At[lockBench](y.mem, 0).mutex)
	p := y.start(t, "hold", "-")
	require.Equal(t, "<nil>", p.line(t))
	require.True(t, m.Locked())
	require.Equal(t, p.self, m.Owner())
	require.ErrorIs(t, m.Unlock(), ErrNotOwner)
	got := start(func() error { return m.Lock(within(t)) })
	blocks(t, got)
	p.tell(t, "unlock")
	require.NoError(t, ends(t, got))
	require.Equal(t, "<nil>", p.line(t))
}

func TestMutexHolderIsKilled(t *testing.T) {
	y := newYard(t, 1024)
	m := NewMutex(y, &shm.At[lockBench](y.mem, 0).mutex)
	for range 10 {
		p := y.start(t, "hold", "-")
		require.Equal(t, "<nil>", p.line(t))
		got := start(func() error { return m.Lock(within(t)) })
		p.kill(t)
		require.ErrorIs(t, ends(t, got), ErrOwnerDied)
		require.NoError(t, m.Recover(within(t), nil))
	}
}

// The one who waits for the lock in the kernel is killed, be it at the moment of
// the wake-up: the next one gets it.
func TestMutexWaiterIsKilled(t *testing.T) {
	y := newYard(t, 1024)
	m := NewMutex(y, &shm.At[lockBench](y.mem, 0).mutex)
	for i := range 10 {
		require.NoError(t, m.Lock(within(t)))
		victim, other := y.start(t, "want", "-"), y.start(t, "want", "-")
		require.Equal(t, "wanting", victim.line(t))
		require.Equal(t, "wanting", other.line(t))
		if i%2 == 0 {
			victim.kill(t)
			require.NoError(t, m.Unlock())
		} else {
			require.NoError(t, m.Unlock())
			victim.kill(t)
		}
		if said := other.line(t); i%2 == 0 {
			require.Equal(t, "locked", said)
		} else {
			require.Contains(t, []string{"locked", "owner died"}, said)
		}
		other.kill(t)
		err := lockOrRecover(within(t), m)
		require.NoError(t, err)
		require.NoError(t, m.Unlock())
	}
}

// Nothing is taken from a stopped process, and it goes on as the owner.
func TestMutexHolderIsStopped(t *testing.T) {
	y := newYard(t, 1024)
	m := NewMutex(y, &shm.At[lockBench](y.mem, 0).mutex)
	p := y.start(t, "hold", "-")
	require.Equal(t, "<nil>", p.line(t))
	require.NoError(t, p.Signal(syscall.SIGSTOP))
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	require.ErrorIs(t, m.Lock(ctx), context.DeadlineExceeded)
	require.Equal(t, p.self, m.Owner())
	require.NoError(t, p.Signal(syscall.SIGCONT))
	p.tell(t, "unlock")
	require.Equal(t, "<nil>", p.line(t))
	require.NoError(t, m.Lock(within(t)))
}

func TestMutexCountsOfSeveralProcesses(t *testing.T) {
	const processes, rounds = 3, 20000
	y := newYard(t, 1024)
	b := shm.At[lockBench](y.mem, 0)
	var peers []*peer
	for range processes {
		peers = append(peers, y.start(t, "count", strconv.Itoa(rounds)))
	}
	eventually(t, func() bool { return b.ready.Load() == processes })
	b.ready.Store(-1)
	for _, p := range peers {
		require.Equal(t, "done", p.line(t))
	}
	require.EqualValues(t, processes*rounds, b.counter)
	require.Zero(t, b.mutex.word.Load())
}

// Processes that lock all the time are killed at random moments.
func TestMutexStormOfKills(t *testing.T) {
	kills := 40
	if testing.Short() {
		kills = 10
	}
	y := newYard(t, 1024)
	b := shm.At[lockBench](y.mem, 0)
	b.ready.Store(-1 << 40) // nobody waits for the others
	m := NewMutex(y, &b.mutex)
	peers := []*peer{y.start(t, "count", "0"), y.start(t, "count", "0")}
	for i := range kills {
		ctx := within(t)
		for range 3 {
			before := atomicCounter(ctx, t, m, b)
			eventually(t, func() bool { return atomicCounter(ctx, t, m, b) != before })
		}
		peers[i%2].kill(t)
		peers[i%2] = y.start(t, "count", "0")
	}
	b.stop.Store(true)
	for _, p := range peers {
		require.Equal(t, "done", p.line(t))
	}
	require.NoError(t, lockOrRecover(within(t), m))
}

func atomicCounter(ctx context.Context, t testing.TB, m *Mutex, b *lockBench) int64 {
	require.NoError(t, lockOrRecover(ctx, m))
	n := b.counter
	require.NoError(t, m.Unlock())
	return n
}

// BenchmarkMutexContendedByProcesses is one lock and unlock where two processes
// do nothing else.
func BenchmarkMutexContendedByProcesses(b *testing.B) {
	y := newYard(b, 1024)
	s := shm.At[lockBench](y.mem, 0)
	m := NewMutex(y, &s.mutex)
	p := y.start(b, "count", "0")
	eventually(b, func() bool { return s.ready.Load() == 1 })
	s.ready.Store(-1 << 40)
	ctx := context.Background()
	b.ResetTimer()
	for range b.N {
		_ = m.Lock(ctx)
		s.counter++
		_ = m.Unlock()
	}
	b.StopTimer()
	others := s.counter - int64(b.N)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(int64(b.N)+others), "ns/both")
	s.stop.Store(true)
	require.Equal(b, "done", p.line(b))
}
