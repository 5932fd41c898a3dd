package ipc

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
)

// A tap is the least of all objects: what flows is counted, one at a time.
type tap struct {
	changed news
	drops   atomic.Int32
}

func (p *tap) try(announce bool) (bool, *shared.Uint32, uint32) {
	var seen uint32
	if announce {
		seen = p.changed.expect()
	}
	for {
		n := p.drops.Load()
		if n == 0 {
			return false, &p.changed.word, seen
		}
		if p.drops.CompareAndSwap(n, n-1) {
			if announce {
				p.changed.pass()
			}
			return true, nil, 0
		}
	}
}

func (p *tap) drip() {
	p.drops.Add(1)
	p.changed.publish(1)
}

func TestGateGivesEachChangeToOne(t *testing.T) {
	const n = 200
	w, p := newWorld(t), new(tap)
	g, h := newGate(w.mate()), newGate(w.mate())
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := []*gate{g, h}[i%2].wait(within(t), p.try); err != nil {
				t.Error(err)
			}
		})
	}
	for range n {
		p.drip()
	}
	ends(t, start(func() int { wg.Wait(); return 0 }))
	require.Zero(t, p.drops.Load())
	require.Zero(t, g.waiting()+h.waiting())
}

// Cancelled leaders swallow no wake-up: whoever stays gets every drop.
func TestGateCancelledWaitersSwallowNothing(t *testing.T) {
	w, p := newWorld(t), new(tap)
	g, h := newGate(w.mate()), newGate(w.mate())
	for range 300 {
		ctx, cancel := context.WithCancel(within(t))
		leaves := start(func() error { return g.wait(ctx, p.try) })
		stays := start(func() error { return h.wait(within(t), p.try) })
		eventually(t, func() bool { return g.waiting()+h.waiting() == 2 })
		go cancel()
		p.drip()
		if ends(t, leaves) == nil {
			p.drip()
		}
		require.NoError(t, ends(t, stays))
	}
}

// One who queues behind a leader that waits for something later is not stuck if
// its own wish has come true before it queued.
func TestGateQueuedWaiterLooksOnceMore(t *testing.T) {
	d := newWorld(t).mate()
	g := newGate(d)
	var word shared.Uint32
	ctx, cancel := context.WithCancel(within(t))
	leader := start(func() error {
		return g.wait(ctx, func(bool) (bool, *shared.Uint32, uint32) { return false, &word, 0 })
	})
	eventually(t, func() bool { return g.waiting() == 1 })
	g.spinning.Store(true) // so that it does not succeed by spinning
	require.NoError(t, ends(t, start(func() error {
		return g.wait(within(t), func(bool) (bool, *shared.Uint32, uint32) { return true, nil, 0 })
	})))
	g.spinning.Store(false)
	cancel()
	require.ErrorIs(t, ends(t, leader), context.Canceled)
	require.Zero(t, g.waiting())
}

// The end of a context wakes the leader: it does not find out by looking every now
// and then. How long that takes is told.
func TestGateCancellationWakesTheLeader(t *testing.T) {
	w, p := newWorld(t), new(tap)
	g := newGate(w.mate())
	var took []time.Duration
	for n := range 100 {
		ctx, cancel := context.WithCancel(within(t))
		if n%2 == 1 { // or its deadline
			ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
		}
		var attempts atomic.Int32
		left := start(func() time.Time {
			_ = g.wait(ctx, func(announce bool) (bool, *shared.Uint32, uint32) {
				if announce {
					attempts.Add(1)
				}
				return p.try(announce)
			})
			return time.Now()
		})
		begin, bell := time.Now().Add(time.Millisecond), g.bell.Load()
		if n%2 == 0 {
			eventually(t, func() bool { return g.waiting() == 1 && attempts.Load() > 0 })
			begin = time.Now()
			cancel()
		}
		took = append(took, ends(t, left).Sub(begin))
		require.LessOrEqual(t, attempts.Load(), int32(3), "before it sleeps, when it is woken, and if it was not asleep yet")
		require.LessOrEqual(t, g.bell.Load()-bell, uint32(1))
		cancel()
	}
	slices.Sort(took)
	t.Logf("median %v, worst %v", took[len(took)/2], took[len(took)-1])
}

func TestGateCloseWaitsUntilAllHaveLeft(t *testing.T) {
	g := newGate(newWorld(t).mate())
	var p tap
	var got []<-chan error
	for range 10 {
		got = append(got, start(func() error { return g.wait(within(t), p.try) }))
	}
	eventually(t, func() bool { return g.waiting() == 10 })
	g.close()
	require.Zero(t, g.users.Load())
	for _, c := range got {
		require.ErrorIs(t, ends(t, c), ErrClosed)
	}
	require.ErrorIs(t, g.wait(within(t), p.try), ErrClosed)
	g.close()
}

func TestGateLearnsHowLongToSpin(t *testing.T) {
	g := newGate(newWorld(t).mate())
	patience := func() time.Duration { return time.Duration(g.patience.Load()) }
	require.Equal(t, minPatience, patience())
	g.spun(true)
	require.Equal(t, 2*minPatience, patience(), "it has paid")
	for range 100 {
		g.spun(true)
	}
	require.Equal(t, maxPatience, patience(), "it pays")
	g.spun(false)
	require.Equal(t, maxPatience/2, patience(), "it paid until now")
	for range 100 {
		g.spun(false)
	}
	require.Equal(t, minPatience, patience(), "it does not pay")
}

// Kernels without futex_waitv: everything works, death and cancellation are seen
// within tens of milliseconds.
func TestAllObjectsWithoutFutexWaitV(t *testing.T) {
	futex.SetPolling(true)
	defer futex.SetPolling(false)
	for name, test := range map[string]func(*testing.T){
		"mutex":             TestMutexOwnerDiedUntilRecovered,
		"mutex context":     TestMutexLockEndsWithItsContext,
		"mutex kills":       TestMutexSurvivesAKillAfterEachStep,
		"mutex close":       TestMutexCloseReleasesItsWaiters,
		"mutex excludes":    TestMutexExcludes,
		"semaphore":         TestSemaphoreSurvivesLostWakeUps,
		"bounded semaphore": TestBoundedSemaphorePermitsOfTheDeadReturn,
		"event":             TestEventSurvivesALostWakeUp,
		"cond":              TestCondNotificationsAreNotLostWithTheDead,
		"barrier":           TestBarrierIsBrokenByADeath,
		"rwmutex":           TestRWMutexDeadReadersDoNotBlock,
		"once":              TestOnceIsHandedOnByADeath,
	} {
		t.Run(name, test)
	}
}

// BenchmarkGateRoundTrip is a question and its answer between two goroutines.
func BenchmarkGateRoundTrip(b *testing.B) {
	w := newWorld(b)
	var ask, answer tap
	g, h := newGate(w.mate()), newGate(w.mate())
	ctx, cancel := context.WithCancel(context.Background())
	done := start(func() error {
		for {
			if err := g.wait(ctx, ask.try); err != nil {
				return err
			}
			answer.drip()
		}
	})
	for b.Loop() {
		ask.drip()
		if err := h.wait(ctx, answer.try); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	<-done
}
