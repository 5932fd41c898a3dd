package mp

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What CPython's tests of Pool check. Elsewhere are:
//
//	test_async_timeout                 TestAFutureTellsHowItIs
//	test_imap*_handle_iterable_exc.    TestAnInputSequenceThatPanicsLeavesThePoolAlone
//	test_traceback                     TestAPanicComesBackWithItsStack
//	test_wrapped_exception             TestErrorsKeepWhatTheyAre, TestALocalPoolsErrorsAreThoseOfAnother
//	test_pool_initializer              TestAnInitializerRunsOnceInEachWorker
//	test_pool_worker_lifetime*         TestAWorkerIsReplacedAfterItsTasks
//	test_large_pool                    TestManyWorkersAndTasks
//	test_pool_in_process               TestReferenceStdinBadFileDescriptor
//
// Not applicable: test_enter (no context manager) and test_resource_warning (a pool that
// is dropped is not collected: it ends with its context).

type power struct{ Base, Exponent int }

var (
	// powers takes what starmap takes, arguments in a struct.
	powers = Register("test.powers", func(_ context.Context, in power) (int, error) {
		n := 1
		for range in.Exponent {
			n *= in.Base
		}
		return n, nil
	})

	// A mute value cannot be sent, nor can what it makes be returned.
	refuses = Register("test.refuses", func(context.Context, mute) (int, error) { return 0, nil })
	mutters = Register("test.mutters", func(context.Context, int) (mute, error) { return mute{"shy"}, nil })

	// longErrors fails with a message of that many bytes.
	longErrors = Register("test.longErrors", func(_ context.Context, n int) (int, error) {
		return 0, errors.New(strings.Repeat("x", n))
	})
)

type mute struct{ Why string }

var errMute = errors.New("it says nothing")

func (m mute) MarshalCBOR() ([]byte, error) {
	if m.Why != "" {
		return nil, errMute
	}
	return []byte{0xf6}, nil
}

func (*mute) UnmarshalCBOR([]byte) error { return nil }

func squares(n int) []int {
	all := upTo(n)
	for i := range all {
		all[i] *= i
	}
	return all
}

// test_apply, test_map, test_starmap, test_starmap_async, test_map_async, test_async:
// what is asynchronous there is a Future here, or a goroutine.
func TestReferencePoolApplyAndMap(t *testing.T) {
	p := newPool(t, 2)
	n, err := square.Call(t.Context(), p, 5)
	require.NoError(t, err)
	require.Equal(t, 25, n)
	for _, o := range []MapOption{WithChunk(0), WithChunk(20)} {
		out, err := square.Map(t.Context(), p, upTo(100), o)
		require.NoError(t, err)
		require.Equal(t, squares(100), out)
		pairs := []power{{2, 3}, {3, 2}, {5, 0}, {1, 9}}
		out, err = powers.Map(t.Context(), p, pairs, o)
		require.NoError(t, err)
		require.Equal(t, []int{8, 9, 1, 1}, out)
	}
	late := naps.Go(t.Context(), p, time.Millisecond)
	pid, err := late.Get(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, os.Getpid(), pid)
}

// test_map_async_callbacks, _TestPoolWorkerErrors.test_async_error_callback: whoever
// wants to be called waits for Done. What it does there is no business of the pool's:
// in the reference an error there, or an end of the pool, stops everything.
func TestReferencePoolCallbacks(t *testing.T) {
	p := newPool(t, 2)
	good, bad := square.Go(t.Context(), p, 3), fails.Go(t.Context(), p, "error")
	var callbacks sync.WaitGroup
	callbacks.Go(func() {
		<-good.Done()
		n, err := good.Get(t.Context())
		require.NoError(t, err)
		n, err = square.Call(t.Context(), p, n) // submits from a callback
		require.NoError(t, err)
		require.Equal(t, 81, n)
	})
	callbacks.Go(func() {
		<-bad.Done()
		require.ErrorIs(t, bad.Err(), fs.ErrNotExist)
	})
	callbacks.Wait()
	last := square.Go(t.Context(), p, 4)
	callbacks.Go(func() {
		<-last.Done()
		require.NoError(t, p.Stop(), "from a callback")
	})
	callbacks.Wait()
}

// test_map_unplicklable, _TestPoolWorkerErrors.test_unpickleable_result.
func TestReferencePoolWhatCannotBeEncoded(t *testing.T) {
	p := newPool(t, 2)
	_, err := refuses.Map(t.Context(), p, []mute{{}, {"shy"}})
	require.ErrorIs(t, err, errMute)
	_, err = refuses.Call(t.Context(), p, mute{"shy"})
	require.ErrorIs(t, err, errMute)
	for range 20 {
		_, err = mutters.Call(t.Context(), p, 0)
		require.ErrorAs(t, err, new(*RemoteError))
		require.ErrorContains(t, err, errMute.Error())
		require.ErrorContains(t, err, "test.mutters")
	}
	require.Equal(t, 2, p.Stats().Started, "no worker ended of it")
	require.NoError(t, p.Close())
}

// test_map_chunksize, test_empty_iterable.
func TestReferencePoolOfNothing(t *testing.T) {
	p := newPool(t, 1)
	for _, chunk := range []int{0, 1, 7} {
		out, err := square.Map(t.Context(), p, []int{}, WithChunk(chunk))
		require.NoError(t, err)
		require.Empty(t, out)
		for range square.MapSeq(t.Context(), p, slices.Values([]int{}), WithChunk(chunk)) {
			require.Fail(t, "a result of nothing")
		}
		for range square.MapUnordered(t.Context(), p, slices.Values([]int{}), WithChunk(chunk)) {
			require.Fail(t, "a result of nothing")
		}
	}
}

// test_imap, test_imap_unordered.
func TestReferencePoolLazily(t *testing.T) {
	p := newPool(t, 2)
	for _, o := range []MapOption{WithChunk(0), WithChunk(100)} {
		var in, any []int
		for v, err := range square.MapSeq(t.Context(), p, slices.Values(upTo(1000)), o) {
			require.NoError(t, err)
			in = append(in, v)
		}
		require.Equal(t, squares(1000), in)
		for v, err := range square.MapUnordered(t.Context(), p, slices.Values(upTo(1000)), o) {
			require.NoError(t, err)
			any = append(any, v)
		}
		slices.Sort(any)
		require.Equal(t, squares(1000), any)
	}
}

// test_make_pool: 0 is no error here, but the number of CPUs.
func TestReferencePoolSizes(t *testing.T) {
	_, err := NewPool(t.Context(), -1)
	require.Error(t, err)
	for want, n := range map[int]int{3: 3, NumCPU(): 0} {
		p := newPool(t, n)
		require.Equal(t, want, p.Workers())
		require.Equal(t, want, p.Stats().Workers)
		require.NoError(t, p.Stop())
	}
}

// test_terminate, test_context.
func TestReferencePoolTerminate(t *testing.T) {
	p := newPool(t, 2, WithPoolGrace(20*time.Millisecond))
	ended := make(chan error)
	go func() {
		_, err := waits.Map(t.Context(), p, make([]bool, 10_000), WithChunk(1))
		ended <- err
	}()
	eventually(t, func() bool { return p.Stats().Busy == 2 }, "two busy workers")
	require.NoError(t, p.Stop())
	require.ErrorIs(t, <-ended, ErrPoolClosed)
	_, err := square.Map(t.Context(), p, []int{1})
	require.ErrorIs(t, err, ErrPoolClosed)
}

// test_map_no_failfast: all are waited for, and errors of a megabyte block nobody.
func TestReferencePoolWithoutFailFast(t *testing.T) {
	requireEmpty(t)
	p := newPool(t, 2)
	_, err := longErrors.Map(t.Context(), p, slices.Repeat([]int{1 << 20}, 6), WithAllErrors(), WithChunk(1))
	all, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	require.Len(t, all.Unwrap(), 6)
	for _, err := range all.Unwrap() {
		require.ErrorAs(t, err, new(*RemoteError))
	}
	for range 6 {
		longErrors.Go(t.Context(), p, 1<<20)
	}
	require.NoError(t, p.Close())
	requireEmpty(t) // test_release_task_refs
}

// TestPoolNotLeakOnFailure.test_release_unused_processes.
func TestReferencePoolThatCannotStartAllWorkers(t *testing.T) {
	noMore := errors.New("no more processes")
	count := 0
	_, err := makePool(t.Context(), 6, nil, func(p *Pool, name string) (*hired, error) {
		if count++; count == 4 {
			return nil, noMore
		}
		return p.hireProcess(name)
	})
	require.ErrorIs(t, err, noMore)
	require.Empty(t, ActiveChildren(), "the first three are gone")
}
