package ipc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// props is one object of each kind, shared by real processes.
type props struct {
	lock    MutexState
	once    OnceState
	plain   SemaphoreState
	event   EventState
	bounded [boundedHeadSize + 4*permitsOfProps]byte
	rw      RWMutexState
	cond    CondState
	barrier BarrierState

	_        [64]byte
	inside   [2]shared.Uint32 // who says that it has lock, and rw for writing
	progress shared.Int64
	stop     atomic.Bool
}

const (
	permitsOfProps = 3
	propsSize      = 16 << 10
)

// A hand is one process's views of the props.
type hand struct {
	p       *props
	me      shm.Incarnation
	d       Domain
	lock    *Mutex
	once    *Once
	plain   *Semaphore
	event   *Event
	bounded *BoundedSemaphore
	rw      *RWMutex
	cond    *Cond
	barrier *Barrier
}

func takeProps(t testing.TB, d Domain, mem []byte) *hand {
	p := shm.At[props](mem, 0)
	h := &hand{p: p, me: d.Self(), d: d}
	h.lock = NewMutex(d, &p.lock)
	h.once = NewOnce(d, &p.once)
	h.plain = NewSemaphore(d, &p.plain)
	h.event = NewEvent(d, &p.event)
	h.rw = NewRWMutex(d, &p.rw)
	h.cond = NewCond(d, &p.cond, h.lock)
	h.barrier = NewBarrier(d, &p.barrier, nil)
	var err error
	h.bounded, err = OpenBoundedSemaphore(d, p.bounded[:])
	if err != nil {
		panic(err)
	}
	return h
}

// lay makes the props in a new yard.
func lay(t testing.TB) (*yard, *hand) {
	y := newYard(t, propsSize)
	p := shm.At[props](y.mem, 0)
	require.NoError(t, InitBoundedSemaphore(p.bounded[:], permitsOfProps))
	require.NoError(t, InitBarrier(&p.barrier, 2))
	return y, takeProps(t, y, y.mem)
}

// acts are what a process of these tests can be told to do; then it waits to be
// killed.
var acts = map[string]func(ctx context.Context, h *hand) error{
	"lock":    func(ctx context.Context, h *hand) error { return h.lock.Lock(ctx) },
	"plain":   func(ctx context.Context, h *hand) error { return h.plain.Acquire(ctx) },
	"bounded": func(ctx context.Context, h *hand) error { return h.bounded.Acquire(ctx) },
	"event":   func(ctx context.Context, h *hand) error { return h.event.Wait(ctx) },
	"read":    func(ctx context.Context, h *hand) error { return h.rw.RLock(ctx) },
	"write":   func(ctx context.Context, h *hand) error { return h.rw.Lock(ctx) },
	"cond":    func(ctx context.Context, h *hand) error { return waitOnce(ctx, h.cond) },
	"barrier": func(ctx context.Context, h *hand) error { _, err := h.barrier.Wait(ctx); return err },
	"once": func(ctx context.Context, h *hand) error {
		return h.once.Do(ctx, func() error { say("<nil>"); select {} })
	},
}

func init() {
	parts["act"] = func(a *shm.Arena, mem []byte, arg string) {
		err := acts[arg](context.Background(), takeProps(nil, a, mem))
		if errors.Is(err, ErrOwnerDied) {
			err = ErrOwnerDied
		}
		say(err)
		hear()
	}
	parts["storm"] = func(a *shm.Arena, mem []byte, arg string) {
		seed, _ := strconv.ParseUint(arg, 10, 64)
		h := takeProps(nil, a, mem)
		rng := rand.New(rand.NewPCG(seed, 1))
		for !h.p.stop.Load() {
			if err := h.step(rng.IntN(6)); err != nil {
				say(err)
				return
			}
			h.p.progress.Add(1)
		}
		say("done")
	}
}

// step uses one of the objects as a correct program does, and tells what it saw
// that should not be.
func (h *hand) step(which int) error {
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	switch which {
	case 0:
		return h.recovering(ctx, h.lock.Lock, h.lock.Recover, h.exclusively(0, h.lock.Unlock))
	case 1:
		return h.recovering(ctx, h.rw.Lock, h.rw.Recover, h.exclusively(1, h.rw.Unlock))
	case 2:
		return h.recovering(ctx, h.rw.RLock, h.rw.Recover, func() error {
			return errors.Join(h.alone(shm.Incarnation(h.p.inside[1].Load())), h.rw.RUnlock())
		})
	case 3:
		if err := h.bounded.Acquire(ctx); err != nil {
			return err
		}
		return h.bounded.Release()
	case 4:
		if err := h.plain.Release(1); err != nil {
			return err
		}
		return h.event.Set()
	default:
		return h.event.Clear()
	}
}

type (
	locker   = func(context.Context) error
	repairer = func(context.Context, func() error) error
)

func (h *hand) recovering(ctx context.Context, lock locker, recover repairer, inside func() error) error {
	err := lock(ctx)
	for errors.Is(err, ErrOwnerDied) {
		if err = recover(ctx, nil); err == nil || errors.Is(err, ErrHealthy) {
			err = lock(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	return inside()
}

// exclusively makes an unlock that first looks whether another is inside, too.
func (h *hand) exclusively(which int, unlock func() error) func() error {
	return func() error {
		before := shm.Incarnation(h.p.inside[which].Swap(uint32(h.me)))
		if err := h.alone(before); err != nil {
			return err
		}
		h.p.inside[which].Store(0)
		return unlock()
	}
}

// alone is an error if somebody who lives says that it is inside.
func (h *hand) alone(other shm.Incarnation) error {
	if other != shm.Nobody && h.d.Alive(other) {
		return fmt.Errorf("%v is inside together with %v", h.me, other)
	}
	return nil
}

func begin(t testing.TB, y *yard, act string) *peer { return y.start(t, "act", act) }

func TestDeathOfAHolder(t *testing.T) {
	ctx := within(t)
	t.Run("RWMutex reader", func(t *testing.T) {
		y, h := lay(t)
		p := begin(t, y, "read")
		require.Equal(t, "<nil>", p.line(t))
		got := start(func() error { return h.rw.Lock(ctx) })
		blocks(t, got)
		p.kill(t)
		require.NoError(t, ends(t, got))
	})
	t.Run("RWMutex writer", func(t *testing.T) {
		y, h := lay(t)
		p := begin(t, y, "write")
		require.Equal(t, "<nil>", p.line(t))
		got := start(func() error { return h.rw.RLock(ctx) })
		blocks(t, got)
		p.kill(t)
		require.ErrorIs(t, ends(t, got), ErrOwnerDied)
	})
	t.Run("BoundedSemaphore", func(t *testing.T) {
		y, h := lay(t)
		var peers []*peer
		for range permitsOfProps {
			p := begin(t, y, "bounded")
			require.Equal(t, "<nil>", p.line(t))
			peers = append(peers, p)
		}
		require.Zero(t, h.bounded.Value())
		for _, p := range peers {
			got := start(func() error { return h.bounded.Acquire(ctx) })
			blocks(t, got)
			p.kill(t)
			require.NoError(t, ends(t, got))
		}
		for range permitsOfProps {
			require.NoError(t, h.bounded.Release())
		}
		require.Equal(t, permitsOfProps, h.bounded.Value())
	})
	t.Run("Barrier", func(t *testing.T) {
		y, h := lay(t)
		p := begin(t, y, "barrier")
		eventually(t, func() bool { return h.barrier.Waiting() == 1 })
		p.kill(t)
		eventually(t, func() bool { return !y.Alive(p.self) })
		// Dead before the other comes, or while it waits for its parties.
		require.ErrorIs(t, ends(t, party(ctx, h.barrier)), ErrBrokenBarrier)
		require.NoError(t, h.barrier.Reset())
		require.NoError(t, InitBarrier(&h.p.barrier, 3))
		p = begin(t, y, "barrier")
		eventually(t, func() bool { return h.barrier.Waiting() == 1 })
		got := party(ctx, h.barrier)
		blocks(t, got)
		p.kill(t)
		require.ErrorIs(t, ends(t, got), ErrBrokenBarrier)
	})
	t.Run("Once", func(t *testing.T) {
		y, h := lay(t)
		p := begin(t, y, "once")
		require.Equal(t, "<nil>", p.line(t))
		got := start(func() error { return h.once.Do(ctx, func() error { return nil }) })
		blocks(t, got)
		p.kill(t)
		require.NoError(t, ends(t, got))
		require.True(t, h.once.Done())
	})
}

// A waiter is killed: nobody notices, and what comes then reaches the others.
func TestDeathOfAWaiter(t *testing.T) {
	for _, object := range []struct {
		act     string
		block   func(t *testing.T, h *hand)
		sleeps  func(h *hand) bool // somebody does
		release func(ctx context.Context, h *hand) error
	}{
		{"plain", nil,
			func(h *hand) bool { return h.p.plain.word.Load()&waiters != 0 },
			func(_ context.Context, h *hand) error { return h.plain.Release(1) }},
		{"event", nil,
			func(h *hand) bool { return h.p.event.word.Load()&waiters != 0 },
			func(_ context.Context, h *hand) error { return h.event.Set() }},
		{"cond", nil,
			func(h *hand) bool { return h.cond.Waiting() > 0 },
			func(ctx context.Context, h *hand) error {
				return h.lock.With(ctx, func() error { return h.cond.Notify(1) })
			}},
		{"write", func(t *testing.T, h *hand) { require.NoError(t, h.rw.RLock(within(t))) },
			func(h *hand) bool { return h.p.rw.writer.word.Load()&ownerMask != 0 },
			func(_ context.Context, h *hand) error { return h.rw.RUnlock() }},
		{"read", func(t *testing.T, h *hand) { require.NoError(t, h.rw.Lock(within(t))) },
			func(h *hand) bool { return h.p.rw.writer.word.Load()&waiters != 0 },
			func(_ context.Context, h *hand) error { return h.rw.Unlock() }},
	} {
		t.Run(object.act, func(t *testing.T) {
			y, h := lay(t)
			if object.block != nil {
				object.block(t, h)
			}
			victim := begin(t, y, object.act)
			eventually(t, func() bool { return object.sleeps(h) })
			other := begin(t, y, object.act)
			if object.act == "cond" {
				eventually(t, func() bool { return h.cond.Waiting() == 2 })
			}
			victim.kill(t)
			eventually(t, func() bool { return !y.Alive(victim.self) })
			require.NoError(t, object.release(within(t), h))
			require.Equal(t, "<nil>", other.line(t))
		})
	}
}

// Processes that use everything all the time are killed at random moments; in the
// end every count is as at first.
func TestStormOverAllObjects(t *testing.T) {
	kills := 100
	if testing.Short() {
		kills = 20
	}
	y, h := lay(t)
	peers := make([]*peer, 2)
	for i := range peers {
		peers[i] = y.start(t, "storm", strconv.Itoa(i))
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range kills {
		before := h.p.progress.Load() + int64(rng.IntN(3000))
		begin := time.Now()
		eventually(t, func() bool { return h.p.progress.Load() > before || time.Since(begin) > long/2 })
		require.Greater(t, h.p.progress.Load(), before, "nobody gets on after kill %d: %v %v %v", n, h.lock, h.rw, h.bounded)
		peers[n%2].kill(t)
		peers[n%2] = y.start(t, "storm", strconv.Itoa(n+10))
	}
	h.p.stop.Store(true)
	for _, p := range peers {
		require.Equal(t, "done", p.line(t))
	}
	for which := range 6 {
		require.NoError(t, h.step(which))
	}
	require.Equal(t, permitsOfProps, h.bounded.Value())
	require.Zero(t, h.rw.Readers())
	require.False(t, h.rw.Locked())
	require.False(t, h.lock.Locked())
}

// A process whose goroutines all wait uses no CPU.
func TestBlockedProcessesUseNoCPU(t *testing.T) {
	over := 2 * time.Second
	if testing.Short() {
		over = 300 * time.Millisecond
	}
	y, h := lay(t)
	require.NoError(t, h.lock.Lock(within(t)))
	require.NoError(t, h.rw.Lock(within(t)))
	var peers []*peer
	for _, act := range []string{"lock", "plain", "event", "read", "barrier"} {
		peers = append(peers, begin(t, y, act))
	}
	used := func() (times []time.Duration) {
		for _, p := range peers {
			times = append(times, cpuTime(t, p.PID()))
		}
		return times
	}
	const little = 10 * time.Millisecond
	settled := used() // they start, they spin, they sleep
	eventually(t, func() bool {
		before := settled
		<-time.After(5 * short)
		settled = used()
		return slices.Equal(before, settled)
	})
	<-time.After(over) // what is measured is the time itself
	for i, n := range used() {
		require.Less(t, n-settled[i], little)
	}
}

func TestDeathOfAHolderWithoutFutexWaitV(t *testing.T) {
	futex.SetPolling(true)
	defer futex.SetPolling(false)
	TestDeathOfAHolder(t)
}
