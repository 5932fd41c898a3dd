package ipc

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A world is several simulated processes in one: shared words on the Go heap,
// where the race detector sees them, and deaths that tests declare.
type world struct {
	epoch shared.Uint32
	dead  sync.Map // shm.Incarnation → true
	next  uint32
}

// A mate is one simulated process: a Domain.
type mate struct {
	*world
	self shm.Incarnation
}

func newWorld(t testing.TB) *world {
	w := &world{}
	w.epoch.Store(^uint32(0) - 1) // so that it wraps soon
	return w
}

// mate starts a process.
func (w *world) mate() *mate {
	w.next++
	slot, generation := w.next%shm.MaxProcesses, 1+w.next/shm.MaxProcesses
	return &mate{w, shm.Incarnation(generation<<8 | slot)}
}

func (m *mate) Self() shm.Incarnation { return m.self }
func (m *mate) Epoch() *shared.Uint32 { return &m.epoch }
func (m *mate) Alive(i shm.Incarnation) bool {
	_, dead := m.dead.Load(i)
	return !dead
}

// die proves the death of a process, as a guardian does.
func (m *mate) die() {
	m.dead.Store(m.self, true)
	m.stir()
}

// stir makes everybody look again who sleeps.
func (w *world) stir() {
	w.epoch.Add(1)
	futex.WakeAll(&w.epoch)
}

// The only two durations of these tests: what surely is over by long, and what is
// not over after short will not be.
const (
	long  = 20 * time.Second
	short = 20 * time.Millisecond
)

// anytime is a context that never ends.
var anytime = context.Background()

// within gives a context that ends when the test has surely failed.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), long)
	t.Cleanup(cancel)
	return ctx
}

// start runs f and returns its result's channel.
func start[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
}

// blocks asserts that c gives nothing for now.
func blocks[T any](t testing.TB, c <-chan T) {
	t.Helper()
	select {
	case v := <-c:
		require.FailNow(t, "did not block", "it returned %v", v)
	case <-time.After(short):
	}
}

// ends asserts that c gives something in time.
func ends[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(long):
		buf := make([]byte, 1<<20)
		t.Logf("%s", buf[:runtime.Stack(buf, true)])
		require.FailNow(t, "still blocked")
		panic("unreachable")
	}
}

// eventually asserts that cond becomes true in time.
func eventually(t testing.TB, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, long, 100*time.Microsecond)
}

// threads is the number of threads of this process.
func threads(t testing.TB) int { return readThreads(t) }
