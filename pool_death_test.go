package mp

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// killing kills workers of this process, a random one whenever the last one's place is
// taken again, until the returned function is called, which returns how many it were.
func killing(t *testing.T, p *Pool) (stop func() int) {
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		killed := make(map[int]bool)
		for {
			select {
			case <-done:
				ended <- len(killed)
				return
			case <-time.After(time.Duration(rand.IntN(5)) * time.Millisecond): // the pace of the storm
			}
			if workers := ActiveChildren(); p.Stats().Busy > 0 && len(workers) == p.Workers() && allUp(p) {
				if w := workers[rand.IntN(len(workers))]; !killed[w.PID()] && w.Kill() == nil {
					killed[w.PID()] = true
				}
			}
		}
	}()
	return func() int {
		close(done)
		return <-ended
	}
}

// allUp reports whether all workers are ready: to kill them before that, again and
// again, is a crash loop.
func allUp(p *Pool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(p.workers, func(w *worker) bool { return !w.up })
}

// Each input is done once: what was begun and not answered fails, and nothing else.
func TestAStormOfKillsCostsWhatWasRunning(t *testing.T) {
	const n = 20_000
	done, err := NewArray[int32](n)
	require.NoError(t, err)
	p := newPool(t, 3)
	for _, o := range []MapOption{WithChunk(1), WithChunk(50)} {
		for i := range n {
			done.Set(i, 0)
		}
		stop := killing(t, p)
		before := p.Stats().Died
		failed, i := 0, 0
		in := func(yield func(markArg) bool) {
			for i := range n {
				if !yield(markArg{done, i}) {
					return
				}
			}
		}
		for v, err := range marks.MapSeq(t.Context(), p, in, o) {
			switch died := new(WorkerDiedError); {
			case err == nil:
				require.Equal(t, i, v)
				require.Equal(t, int32(1), done.At(i), "input %d", i)
			case errors.As(err, &died):
				failed++
				require.LessOrEqual(t, done.At(i), int32(1), "input %d", i)
			default:
				require.NoError(t, err)
			}
			i++
		}
		require.Equal(t, n, i)
		kills := stop()
		require.LessOrEqual(t, failed, kills, "one for each death at most")
		eventually(t, func() bool { return p.Stats().Died-before >= kills }, "all deaths known")
		t.Logf("%d kills, %d failed calls", kills, failed)
	}
	require.NoError(t, p.Close())
	require.NoError(t, done.Free())
}

// Map's answers come in bundles: what is in one that a dead worker had not sent is done,
// and is not done again, even by others that make up for the dead.
func TestAStormOfKillsLosesNoAnswerOfABundle(t *testing.T) {
	const n = 30_000
	done, err := NewArray[int32](n)
	require.NoError(t, err)
	in := make([]markArg, n)
	for i := range in {
		in[i] = markArg{done, i}
	}
	p := newPool(t, 3)
	stop := killing(t, p)
	out, err := marks.Map(t.Context(), p, in, WithAllErrors(), WithChunk(200))
	kills := stop()
	failed := 0
	if err != nil {
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
			require.ErrorAs(t, err, new(*WorkerDiedError))
			failed++
		}
	}
	require.LessOrEqual(t, failed, kills, "one for each death at most")
	for i, v := range out {
		require.LessOrEqual(t, done.At(i), int32(1), "input %d", i)
		if v == i && i > 0 {
			require.Equal(t, int32(1), done.At(i), "input %d", i)
			continue
		}
		failed--
	}
	require.Contains(t, []int{0, -1}, failed, "input 0, whose result is 0, may be either")
	require.NoError(t, p.Close())
	t.Logf("%d kills", kills)
	require.NoError(t, done.Free())
}

type markArg struct {
	Done  *Array[int32]
	Index int
}

// marks notes that it was run.
var marks = Register("test.marks", func(_ context.Context, in markArg) (int, error) {
	AddAt(in.Done, in.Index, 1)
	return in.Index, nil
})

func TestRetriesMakeUpForAStormOfKills(t *testing.T) {
	p := newPool(t, 3, WithRetries(1000))
	in := make([]int, 100_000)
	for i := range in {
		in[i] = i
	}
	stop := killing(t, p)
	out, err := square.Map(t.Context(), p, in)
	kills := stop()
	require.NoError(t, err)
	for i, v := range out {
		require.Equal(t, i*i, v)
	}
	t.Logf("%d kills", kills)
}

func TestNothingWaitsBehindALongCall(t *testing.T) {
	p := newPool(t, 2, WithWarmStart(), WithPoolGrace(20*time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	long := waits.Go(ctx, p, true)
	for _, o := range []MapOption{WithChunk(1), WithChunk(10), WithChunk(0)} {
		out, err := square.Map(t.Context(), p, make([]int, 1000), o)
		require.NoError(t, err)
		require.Len(t, out, 1000)
	}
	// Also within a chunk whose first call is long.
	bell, err := NewEvent()
	require.NoError(t, err)
	in := []bellArg{{bell, true}}
	for range 49 {
		in = append(in, bellArg{bell, false})
	}
	cancel()
	_, err = long.Get(t.Context())
	require.ErrorIs(t, err, context.Canceled)
	got := 0
	for _, err := range rings.MapUnordered(t.Context(), p, slices.Values(in), WithChunk(50)) {
		require.NoError(t, err)
		if got++; got == 49 {
			require.NoError(t, bell.Set(), "the other worker has done all but the first")
		}
	}
	require.Equal(t, 50, got)
	require.NoError(t, bell.Free())
}

type bellArg struct {
	Bell *Event
	Wait bool
}

var rings = Register("test.rings", func(ctx context.Context, in bellArg) (int, error) {
	if in.Wait {
		return os.Getpid(), in.Bell.Wait(ctx)
	}
	return os.Getpid(), nil
})

func TestStopAndCloseInEveryState(t *testing.T) {
	ways := map[string]func(*Pool) error{"Stop": (*Pool).Stop, "Close": (*Pool).Close}
	for name, end := range ways {
		p := newPool(t, 2, WithPoolGrace(20*time.Millisecond))
		require.NoError(t, end(p), name+" while it starts")
		require.NoError(t, p.Close())
		require.NoError(t, p.Stop())
		require.NoError(t, p.Wait(t.Context()))

		p = newPool(t, 2)
		var all sync.WaitGroup
		for range 4 {
			for _, end := range ways {
				all.Go(func() { _ = end(p) })
			}
			all.Go(func() { _, _ = square.Map(t.Context(), p, make([]int, 1000), WithChunk(1)) })
		}
		all.Wait()

		p = newPool(t, 2, WithPoolGrace(20*time.Millisecond))
		n, refused := 0, 0
		for _, err := range square.MapSeq(t.Context(), p, slices.Values(make([]int, 1000))) {
			if n++; n == 10 {
				require.NoError(t, end(p), name+" in the loop over its results")
			}
			if err != nil {
				require.ErrorIs(t, err, ErrPoolClosed)
				refused++
			}
		}
		require.Equal(t, 1000, n)
		require.Positive(t, refused)
	}
}

func TestAnInputSequenceThatPanicsLeavesThePoolAlone(t *testing.T) {
	p := newPool(t, 2)
	in := func(yield func(int) bool) {
		for i := range 10 {
			if !yield(i) {
				return
			}
		}
		panic("no more")
	}
	for _, all := range []func(context.Context, *Pool) func(func(int, error) bool){
		func(ctx context.Context, p *Pool) func(func(int, error) bool) { return square.MapSeq(ctx, p, in) },
		func(ctx context.Context, p *Pool) func(func(int, error) bool) { return square.MapUnordered(ctx, p, in) },
	} {
		require.PanicsWithValue(t, "no more", func() {
			for _, err := range all(t.Context(), p) {
				require.NoError(t, err)
			}
		})
		n, err := square.Call(t.Context(), p, 3)
		require.NoError(t, err)
		require.Equal(t, 9, n)
	}
	require.NoError(t, p.Close())
}

func TestAResultNobodyCollectsIsGivenBack(t *testing.T) {
	p := newPool(t, 1)
	for range 20 {
		large.Go(t.Context(), p, make([]byte, 100_000))
		makesArray.Go(t.Context(), p, 1000)
	}
	require.NoError(t, p.Close())
	requireEmpty(t)
}

func TestAContextThatEndsAtAnyStage(t *testing.T) {
	p := newPool(t, 2, WithPoolGrace(10*time.Millisecond))
	for i := range 40 {
		ctx, cancel := context.WithCancel(t.Context())
		f := waits.Go(ctx, p, i%2 == 0)
		if i%3 == 0 {
			square.Go(ctx, p, 1)
		}
		go cancel()
		_, err := waits.Map(ctx, p, make([]bool, 3))
		require.ErrorIs(t, err, context.Canceled)
		_, err = f.Get(t.Context())
		require.ErrorIs(t, err, context.Canceled)
	}
	out, err := square.Map(t.Context(), p, []int{1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, []int{1, 4, 9}, out)
}

// MP_TEST_LARGE makes it 200 workers, which take a while to start.
func TestManyWorkersAndTasks(t *testing.T) {
	workers, tasks := 20, 20_000
	if os.Getenv("MP_TEST_LARGE") != "" {
		workers, tasks = 200, 100_000
	}
	p := newPool(t, workers)
	in := make([]int, tasks)
	for i := range in {
		in[i] = i
	}
	out, err := square.Map(t.Context(), p, in, WithChunk(1))
	require.NoError(t, err)
	for i, v := range out {
		require.Equal(t, i*i, v)
	}
	require.NoError(t, p.Close())
	require.Zero(t, p.Stats().Died)
}

// diesAtOnce is a function that a worker does not survive.
var diesAtOnce = Register("test.diesAtOnce", func(context.Context, struct{}) (struct{}, error) {
	me, err := os.FindProcess(os.Getpid())
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, me.Kill()
})

func TestADeathIsCountedBeforeItsCallFails(t *testing.T) {
	pool := newPool(t, 1)
	for deaths := 1; deaths <= 20; deaths++ {
		_, err := diesAtOnce.Call(t.Context(), pool, struct{}{})
		var died *WorkerDiedError
		require.ErrorAs(t, err, &died)
		require.Equal(t, deaths, pool.Stats().Died)
	}
}
