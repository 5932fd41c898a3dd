package ipc

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
)

// A pair is an object's views of two processes: how each has it, and how it gives
// it back.
type pair struct {
	w    *world
	have [2]func(ctx context.Context) error
	give [2]func() error

	heir, word *shared.Uint32
	keep       uint32 // what word is when it is free, and kept for the heir
	free       uint32 // what word is when it is free and nobody waits
}

func mutexPair(t testing.TB) pair {
	a, b, da, _, s := twoViews(t)
	return pair{da.world, [2]func(context.Context) error{a.Lock, b.Lock}, [2]func() error{a.Unlock, b.Unlock}, &s.heir, &s.word, waiters, 0}
}

func writersPair(t testing.TB) pair {
	a, b, da, _, s := twoRW(t)
	return pair{da.world, [2]func(context.Context) error{a.Lock, b.Lock}, [2]func() error{a.Unlock, b.Unlock},
		&s.writer.heir, &s.writer.word, waiters, 0}
}

// readerPair is a writer, and one who wants to read.
func readerPair(t testing.TB) pair {
	a, b, da, _, s := twoRW(t)
	return pair{da.world, [2]func(context.Context) error{a.Lock, b.RLock}, [2]func() error{a.Unlock, b.RUnlock},
		&s.writer.heir, &s.writer.word, waiters, 0}
}

func rlockPair(t testing.TB) pair {
	w, s := newWorld(t), new(MutexState)
	a, b := NewRLock(w.mate(), s).Holder(), NewRLock(w.mate(), s).Holder()
	return pair{w, [2]func(context.Context) error{a.Lock, b.Lock}, [2]func() error{a.Unlock, b.Unlock}, &s.heir, &s.word, waiters, 0}
}

func semaphorePair(t testing.TB) pair {
	a, b, w, s := twoSemaphores(t, 1)
	release := func(s *Semaphore) func() error { return func() error { return s.Release(1) } }
	return pair{w, [2]func(context.Context) error{a.Acquire, b.Acquire}, [2]func() error{release(a), release(b)}, &s.heir, &s.word, 1, 1}
}

func boundedPair(t testing.TB) pair {
	w, mem := newWorld(t), newBounded(t, 1)
	a, b := openBounded(t, w.mate(), mem), openBounded(t, w.mate(), mem)
	return pair{w, [2]func(context.Context) error{a.Acquire, b.Acquire}, [2]func() error{a.Release, b.Release},
		&a.head.heir, &a.permits[0], 0, 0}
}

var pairs = map[string]func(testing.TB) pair{
	"Mutex": mutexPair, "RWMutex, writers": writersPair, "RWMutex, a reader": readerPair, "RLock": rlockPair,
	"Semaphore": semaphorePair, "BoundedSemaphore": boundedPair,
}

// The owner takes it again as soon as it has given it back: whoever sleeps comes
// too late each time, until its process is the heir. So it is with an owner of
// another process, and with one of the sleeper's own.
func TestNobodyStarves(t *testing.T) {
	for name, lay := range pairs {
		for _, hold := range []time.Duration{0, 100 * time.Microsecond, 3 * time.Millisecond} {
			t.Run(name+", held for "+hold.String(), func(t *testing.T) { testFairness(t, lay(t), 1, hold) })
		}
		if name != "RWMutex, a reader" && name != "RLock" { // a Holder is one goroutine's
			t.Run(name+", within a process", func(t *testing.T) { testFairness(t, lay(t), 0, 3*time.Millisecond) })
		}
	}
}

// testFairness measures how often a waiter of process other is overtaken by a
// greedy one of the first process.
func testFairness(t *testing.T, p pair, other int, hold time.Duration) {
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	var taken shared.Int64
	greedy := start(func() error {
		for {
			if err := p.have[0](ctx); err != nil {
				return err
			}
			taken.Add(1)
			for begin := time.Now(); time.Since(begin) < hold; {
			}
			if err := p.give[0](); err != nil {
				return err
			}
		}
	})
	var worst time.Duration
	var most int64
	for range 10 {
		for seen := taken.Load(); taken.Load() == seen && ctx.Err() == nil; { // it is at it again
			runtime.Gosched()
		}
		begin, before := time.Now(), taken.Load()
		require.NoError(t, p.have[other](ctx))
		worst, most = max(worst, time.Since(begin)), max(most, taken.Load()-before)
		require.NoError(t, p.give[other]())
	}
	t.Logf("overtaken at most %d times, waited at most %v", most, worst)
	if hold > heirAfter {
		require.LessOrEqual(t, most, int64(50)) // thousands without the heir
	}
	cancel()
	require.ErrorIs(t, ends(t, greedy), context.Canceled)
}

// Readers whose locks overlap leave no moment for a writer, unless new ones let it
// pass.
func TestAWriterAmongReadersDoesNotStarve(t *testing.T) {
	a, b, _, _, _ := twoRW(t)
	ctx, cancel := context.WithCancel(within(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for a.RLock(ctx) == nil {
				time.Sleep(time.Millisecond) // they overlap
				if err := a.RUnlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		require.NoError(t, b.Lock(ctx))
		require.NoError(t, b.Unlock())
	}
	cancel()
	wg.Wait()
}

// The heir is stopped: the others leave it what there is for a moment, not for ever.
func TestNobodyWaitsForAStoppedHeir(t *testing.T) {
	for name, lay := range pairs {
		t.Run(name, func(t *testing.T) {
			p := lay(t)
			ctx := within(t)
			require.NoError(t, p.have[0](ctx))
			p.heir.Store(uint32(p.w.mate().Self()))
			got := start(func() error { return p.have[1](ctx) })
			blocks(t, got)
			require.NoError(t, p.give[0]())
			require.NoError(t, ends(t, got))
			require.Zero(t, p.heir.Load())
			require.NoError(t, p.give[1]())
			require.Equal(t, p.free, p.word.Load())
		})
	}
}

func TestTheDeadInheritNothing(t *testing.T) {
	for name, lay := range pairs {
		t.Run(name, func(t *testing.T) {
			p := lay(t)
			heir := p.w.mate()
			p.heir.Store(uint32(heir.Self()))
			p.word.Store(p.keep)
			got := start(func() error { return p.have[1](within(t)) })
			heir.die()
			require.NoError(t, ends(t, got))
			require.Zero(t, p.heir.Load())
			require.NoError(t, p.give[1]())
			require.NoError(t, p.have[0](within(t)))
		})
	}
}

// The heir gives up: the others, who have left to it what there is, are told.
func TestAnHeirThatResignsTellsTheOthers(t *testing.T) {
	for name, lay := range pairs {
		if name == "RLock" {
			continue // as a Mutex, and a Holder is one goroutine's
		}
		t.Run(name, func(t *testing.T) {
			for range 20 {
				p := lay(t)
				ctx := within(t)
				require.NoError(t, p.have[0](ctx))
				waiting, giveUp := context.WithCancel(ctx)
				heir := start(func() error { return p.have[1](waiting) })
				eventually(t, func() bool { // it becomes the heir if it looks in vain a moment after it came
					p.w.stir()
					return p.heir.Load() != 0
				})
				other := start(func() error { return p.have[0](ctx) })
				go giveUp()
				require.NoError(t, p.give[0]())
				if ends(t, heir) == nil {
					require.NoError(t, p.give[1]())
				}
				require.NoError(t, ends(t, other))
				require.NoError(t, p.give[0]())
				p.w.stir()
				require.Zero(t, p.heir.Load())
				require.Equal(t, p.free, p.word.Load()&ownerMask)
			}
		})
	}
}
