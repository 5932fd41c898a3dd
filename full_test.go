package mp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/shm"
)

// lacksMemory reports whether err says that there is no memory, as documented.
func lacksMemory(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.ENOMEM)
}

func requireLack(t require.TestingT, err error, what ...any) {
	require.Error(t, err, what...)
	require.True(t, lacksMemory(err), "%v: %v", what, err)
}

// A freer gives something back.
type freer interface{ Free() error }

// fill takes all memory there is, down to pieces of 64 bytes, and returns what it
// made.
func fill(t require.TestingT) (all []freer) {
	for n := arrayData; n <= 16<<10; n *= 2 { // of each size of small blocks at least one
		a, err := NewArray[byte](n - arrayData)
		require.NoError(t, err)
		all = append(all, a)
	}
	for n := 1 << 20; n > 0; n /= 2 {
		for {
			a, err := NewArray[byte](n)
			if err != nil {
				if !errors.Is(err, ErrTooLarge) {
					requireLack(t, err)
				}
				break
			}
			all = append(all, a)
		}
	}
	for {
		m, err := NewMutex()
		if err != nil {
			requireLack(t, err)
			return all
		}
		all = append(all, m)
	}
}

func giveBack(t require.TestingT, all []freer) {
	for _, f := range all {
		require.NoError(t, f.Free())
	}
}

const smallArena = 4 << 20

func smallWorld(t *trial) {
	require.NoError(t, SetArenaSize(smallArena))
	Init()
	// Small blocks of all sizes have their place at the beginning from now on, and
	// not in the middle of what large ones need.
	var all []freer
	m, err := NewMutex()
	require.NoError(t, err)
	all = append(all, m)
	for n := arrayData; n <= 16<<10; n *= 2 {
		a, err := NewArray[byte](n - arrayData)
		require.NoError(t, err)
		all = append(all, a)
	}
	giveBack(t, all)
}

// settled waits until the workers of a pool need no more than their links and
// their birth blocks.
func settled(t *trial, p *Pool) {
	eventually(t, func() bool { return inUse() == 2*p.Workers() }, "a pool at rest")
}

func init() {
	addTrial("fullAtCreation", func(t *trial) {
		smallWorld(t)
		counts := make([]int, 3)
		for round := range counts {
			first, err := NewArray[byte](100_000)
			require.NoError(t, err)
			copy(first.Slice(), "still here")
			all := fill(t)
			for what, make := range map[string]func() error{
				"Value":       func() error { _, err := NewValue[int64](1); return err },
				"large Value": func() error { _, err := NewValue(pair{}); return err },
				"Array":       func() error { _, err := NewArray[int64](1000); return err },
				"Mutex":       func() error { _, err := NewMutex(); return err },
				"Queue":       func() error { _, err := NewQueue[int](1000); return err },
			} {
				requireLack(t, make(), what)
			}
			require.Equal(t, len(all)+1, inUse(), "what failed left nothing")
			require.Equal(t, "still here", string(first.Slice()[:10]))
			require.NoError(t, first.Free())
			again, err := NewArray[byte](100_000)
			require.NoError(t, err, "there is room again")
			require.Equal(t, make([]byte, 100_000), again.Slice())
			counts[round] = len(all)
			giveBack(t, append(all, again))
			require.Zero(t, inUse())
		}
		t.Say("objects that fit:", counts)
		require.Equal(t, counts[1], counts[2], "nothing is lost by being full")
	})

	addTrial("fullAtPut", func(t *trial) {
		smallWorld(t)
		q, err := NewQueue[[]byte](64)
		require.NoError(t, err)
		large, small := bytes.Repeat([]byte{7}, 100_000), []byte("small")
		require.NoError(t, q.Put(t.ctx, large))
		all := fill(t)
		requireLack(t, q.Put(t.ctx, large))
		requireLack(t, q.TryPut(large))
		require.Equal(t, 1, q.Len(), "what failed left nothing")
		require.NoError(t, q.Put(t.ctx, small), "what fits the cell needs no memory")
		giveBack(t, all)
		require.NoError(t, q.Put(t.ctx, large))
		for _, want := range [][]byte{large, small, large} {
			b, err := q.Get(t.ctx)
			require.NoError(t, err)
			require.Equal(t, want, b)
		}
		require.NoError(t, q.Free())
		require.Zero(t, inUse())
	})

	addTrial("fullAtStart", func(t *trial) {
		smallWorld(t)
		_, err := square.Run(t.ctx, 1)
		require.NoError(t, err)
		all := fill(t)
		for what, start := range map[string]func() error{
			"Start":         func() error { _, err := square.Start(t.ctx, 1); return err },
			"Run":           func() error { _, err := square.Run(t.ctx, 1); return err },
			"NewPool":       func() error { _, err := NewPool(t.ctx, 2); return err },
			"with argument": func() error { _, err := large.Run(t.ctx, make([]byte, 1<<20)); return err },
		} {
			requireLack(t, start(), what)
		}
		require.Empty(t, ActiveChildren())
		require.Equal(t, len(all), inUse(), "what failed left nothing")
		for range shm.MaxProcesses + 1 { // nor does it use up the process table
			_, err := square.Start(t.ctx, 1)
			requireLack(t, err)
		}
		giveBack(t, all)
		n, err := square.Run(t.ctx, 3)
		require.NoError(t, err)
		require.Equal(t, 9, n)
		require.Zero(t, inUse())
	})

	addTrial("fullAtCall", func(t *trial) {
		smallWorld(t)
		pool, err := NewPool(t.ctx, 2)
		require.NoError(t, err)
		arg := make([]byte, 100_000)
		_, err = large.Map(t.ctx, pool, [][]byte{arg, arg, arg})
		require.NoError(t, err)
		settled(t, pool)
		all := fill(t)
		_, err = large.Call(t.ctx, pool, arg)
		requireLack(t, err)
		_, err = large.Map(t.ctx, pool, [][]byte{arg, arg, arg})
		requireLack(t, err)
		n, err := square.Call(t.ctx, pool, 3)
		require.NoError(t, err, "what fits the link needs no memory")
		require.Equal(t, 9, n)
		_, err = large.Call(t.ctx, pool, make([]byte, 20_000))
		requireLack(t, err)
		giveBack(t, all)
		out, err := large.Call(t.ctx, pool, arg)
		require.NoError(t, err)
		require.Len(t, out, 200_000)
		require.Equal(t, 2, pool.Stats().Started)
		require.NoError(t, pool.Close())
		require.Zero(t, inUse())
	})

	addTrial("fullAtResult", func(t *trial) {
		smallWorld(t)
		pool, err := NewPool(t.ctx, 1)
		require.NoError(t, err)
		for what, call := range map[string]func(int) error{
			"Call":           func(n int) error { _, err := ofSize.Call(t.ctx, pool, n); return err },
			"Run":            func(n int) error { _, err := ofSize.Run(t.ctx, n); return err },
			"Call, an array": func(n int) error { return freed(makesArray.Call(t.ctx, pool, n)) },
			"Run, an array":  func(n int) error { return freed(makesArray.Run(t.ctx, n)) },
		} {
			rest, err := NewArray[byte](smallArena / 2)
			require.NoError(t, err)
			requireLack(t, call(smallArena/2), what)
			require.ErrorIs(t, call(2*smallArena), ErrTooLarge, what)
			require.NoError(t, rest.Free())
			if what != "Call, an array" { // the worker's own handle is its garbage collector's
				require.NoError(t, call(smallArena/2), what)
			}
		}
		require.Equal(t, 1, pool.Stats().Started)
		require.NoError(t, pool.Close())
		requireEmpty(t)
	})

	addTrial("fullForAnyResult", func(t *trial) {
		smallWorld(t)
		pool, err := NewPool(t.ctx, 1)
		require.NoError(t, err)
		n, err := fillsUp.Call(t.ctx, pool, 1)
		require.NoError(t, err, "a small result lies in the link")
		require.Positive(t, n)
		require.NoError(t, pool.Close())

		_, err = fillsUp.Run(t.ctx, 1)
		requireLack(t, err)
		p, err := fillsUp.Start(t.ctx, 1)
		require.NoError(t, err)
		requireLack(t, p.Wait(t.ctx))
		requireEmpty(t)
		n, err = square.Run(t.ctx, 3)
		require.NoError(t, err)
		require.Equal(t, 9, n)
	})

	addTrial("fullForANewWorker", func(t *trial) {
		smallWorld(t)
		pool, err := NewPool(t.ctx, 1)
		require.NoError(t, err)
		settled(t, pool)
		all := fill(t)
		_, err = fails.Call(t.ctx, pool, "kill")
		var died *WorkerDiedError
		require.ErrorAs(t, err, &died)
		// The next worker has the place of the dead one, but its letter has none.
		_, err = square.Call(t.ctx, pool, 3)
		requireLack(t, err)
		requireLack(t, pool.Close())
		giveBack(t, all)
		pool, err = NewPool(t.ctx, 1)
		require.NoError(t, err)
		n, err := square.Call(t.ctx, pool, 3)
		require.NoError(t, err)
		require.Equal(t, 9, n)
		require.NoError(t, pool.Close())
		requireEmpty(t)
	})

	addTrial("tooLarge", func(t *trial) {
		smallWorld(t)
		pool, err := NewPool(t.ctx, 1)
		require.NoError(t, err)
		settled(t, pool)
		q, err := NewQueue[[]byte](2)
		require.NoError(t, err)
		before := inUse()
		arg := make([]byte, 2*smallArena)
		for what, do := range map[string]func() error{
			"Start":      func() error { _, err := large.Start(t.ctx, arg); return err },
			"Run":        func() error { _, err := large.Run(t.ctx, arg); return err },
			"Call":       func() error { _, err := large.Call(t.ctx, pool, arg); return err },
			"Map":        func() error { _, err := large.Map(t.ctx, pool, [][]byte{nil, arg}); return err },
			"Put":        func() error { return q.Put(t.ctx, arg) },
			"TryPut":     func() error { return q.TryPut(arg) },
			"NewArray":   func() error { _, err := NewArray[byte](len(arg)); return err },
			"NewQueue":   func() error { _, err := NewQueue[int64](len(arg)); return err },
			"WithInline": func() error { _, err := NewQueue[string](1, WithInline(len(arg))); return err },
		} {
			require.ErrorIs(t, do(), ErrTooLarge, what)
			eventually(t, func() bool { return inUse() == before }, "as before "+what) // Map's first task ends some time
		}
		out, err := large.Call(t.ctx, pool, []byte("x"))
		require.NoError(t, err)
		require.Equal(t, "xx", string(out))
		require.Len(t, ActiveChildren(), 1)
		require.NoError(t, pool.Close())
	})
}

// freed frees an array that came with no error.
func freed(a *Array[byte], err error) error {
	if err != nil {
		return err
	}
	return a.Free()
}

var (
	// ofSize has a result of that size from an argument of none.
	ofSize = Register("test.ofSize", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })

	// fillsUp leaves no memory for its own result.
	fillsUp = Register("test.fillsUp", func(context.Context, int) (int, error) {
		var t panicking
		kept = fill(t)
		return len(kept), nil
	})
)

// kept is what fillsUp keeps from the garbage collector.
var kept []freer

// panicking is a T for registered functions.
type panicking struct{}

func (panicking) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (panicking) FailNow()                          { panic("failed") }

func TestAFullArenaIsAnErrorAtCreation(t *testing.T)       { try(t, "fullAtCreation") }
func TestAFullArenaIsAnErrorAtPut(t *testing.T)            { try(t, "fullAtPut") }
func TestAFullArenaIsAnErrorAtStart(t *testing.T)          { try(t, "fullAtStart") }
func TestAFullArenaIsAnErrorAtCall(t *testing.T)           { try(t, "fullAtCall") }
func TestAFullArenaIsAnErrorForALargeResult(t *testing.T)  { try(t, "fullAtResult") }
func TestAFullArenaIsAnErrorForAnyResult(t *testing.T)     { try(t, "fullForAnyResult") }
func TestAFullArenaIsAnErrorForTheNextWorker(t *testing.T) { try(t, "fullForANewWorker") }
func TestWhatIsLargerThanTheArenaIsRefused(t *testing.T)   { try(t, "tooLarge") }

// attends answers the roll call, and stays.
var attends = Register("test.attends", func(ctx context.Context, in attendance) (int, error) {
	if err := in.Present.Put(ctx, in.Number); err != nil {
		return 0, err
	}
	<-ctx.Done()
	return 0, in.Gone.Put(context.Background(), in.Number)
})

type attendance struct {
	Number        int
	Present, Gone *Queue[int]
}

// rollCall gets so many numbers and returns them in order.
func rollCall(t *testing.T, q *Queue[int], n int) (all []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	for range n {
		i, err := q.Get(ctx)
		require.NoError(t, err)
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

func TestTheProcessTableFillsUpAndNothingIsLost(t *testing.T) {
	requireEmpty(t)
	present, err := NewQueue[int](shm.MaxProcesses)
	require.NoError(t, err)
	gone, err := NewQueue[int](shm.MaxProcesses)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	room := shm.MaxProcesses - 1 // this process is in the table, too
	if race.Enabled {
		room = 40 // race-detecting processes are large
		takePlaces(t, shm.MaxProcesses-1-room)
	}
	var all []*Process
	start := func() error {
		p, err := attends.Start(ctx, attendance{len(all), present, gone}, WithGrace(hangs))
		if err == nil {
			all = append(all, p)
		}
		return err
	}
	for err = start(); err == nil && len(all) <= room; {
		err = start()
	}
	require.ErrorIs(t, err, ErrProcessTableFull)
	require.ErrorContains(t, err, fmt.Sprint(shm.MaxProcesses))
	require.Len(t, all, room)
	numbers := rollCall(t, present, room)
	for i, n := range numbers {
		require.Equal(t, i, n, "each of them is there")
	}
	_, err = square.Run(ctx, 1)
	require.ErrorIs(t, err, ErrProcessTableFull)
	_, err = NewPool(ctx, 2)
	require.ErrorIs(t, err, ErrProcessTableFull)

	require.NoError(t, all[0].Kill())
	require.Error(t, all[0].Wait(t.Context()))
	_, err = NewPool(ctx, 2)
	require.ErrorIs(t, err, ErrProcessTableFull, "one place is not enough, and is given back")
	n, err := square.Run(ctx, 3)
	require.NoError(t, err)
	require.Equal(t, 9, n)

	for _, p := range all[1:] {
		require.True(t, p.Alive())
	}
	cancel()
	require.Equal(t, numbers[1:], rollCall(t, gone, room-1))
	for _, p := range all[1:] {
		require.NoError(t, p.Wait(t.Context()))
	}
	require.NoError(t, present.Free())
	require.NoError(t, gone.Free())
	requireEmpty(t)
}

// takePlaces takes places of the process table until the test ends.
func takePlaces(t *testing.T, n int) {
	t.Helper()
	a, err := arena()
	require.NoError(t, err)
	for range n {
		i, err := a.Reserve()
		require.NoError(t, err)
		t.Cleanup(func() { a.Bury(i) })
	}
}
