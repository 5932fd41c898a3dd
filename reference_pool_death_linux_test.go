package mp

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
)

// What CPython's test_deadlock.py and loky's tests check. The matrix of
// TestThePoolSurvivesEveryFaultAtEveryMoment has of test_deadlock.py those of the
// worker: {error, exit, crash} × {task_unpickle, func_exec, result_pickle}; the others
// are here. Elsewhere are, of loky:
//
//	test_crashes, test_deadlock_kill     the matrix
//	test_crash_races                     TestAStormOfKillsCostsWhatWasRunning
//	test_killed_child                    TestAnIdleWorkerThatDiesIsReplaced
//	test_memory_leak_protection          TestAWorkerIsReplacedWhenItHasGrown
//	test_worker_timeout                  TestAnIdleWorkerEndsAndComesBack
//	test_max_depth                       TestGenerationsAreLimited
//	test_shutdown_kill                   TestStopFailsWhatIsPending
//	test_shutdown_and_kill_workers       TestStopFailsWhatIsPending
//	test_sigkill_shutdown_leaks_workers  TestTheFamilyOfAKilledParentEndsAtOnce
//	test_reusable_executor_resize        TestAPoolIsResized
//	test_submit_from_callback            TestReferencePoolCallbacks
//	test_no_stale_references             TestPoolsLeaveNothingBehind
//	test_in_callback_submit_with_crash   TestReferencePoolCallbacks
//	test_imap_handle_iterable_exception  TestAnInputSequenceThatPanicsLeavesThePoolAlone
//
// Not applicable: test_exit_during_result_unpickle_in_result_handler and
// test_callback_crash_on_submit (there the parent itself ends), test_call_item_gc_crash
// and test_processes_crash_handling_after_executor_gc (nothing of ours hangs on the
// collector), test_kill_workers_on_new_options and the reusable executor as such (a pool
// is made once; Resize is there), resource_tracker (there is none).

// test_error_at_task_pickle, test_error_during_result_unpickle_in_result_handler,
// test_informative_error_when_fail_at_unpickle.
func TestReferenceDeadlockErrorsOfTheParent(t *testing.T) {
	p := newPool(t, 2)
	_, err := refuses.Go(t.Context(), p, mute{"shy"}).Get(t.Context())
	require.ErrorIs(t, err, errMute)
	reading = func() error { panic("unreadable") }
	_, err = springs.Call(t.Context(), p, trap{})
	reading = nil
	require.ErrorContains(t, err, "unreadable")
	require.ErrorContains(t, err, "test.springs")
	_, err = springs.Call(t.Context(), p, trap{Text: baited{"error"}})
	require.ErrorContains(t, err, "trapped")
	require.ErrorContains(t, err, "test.springs")
	n, err := square.Call(t.Context(), p, 3)
	require.NoError(t, err)
	require.Equal(t, 9, n)
	require.NoError(t, p.Close())
}

// test_shutdown_deadlock, test_shutdown_deadlock_pickle, loky's test_shutdown_deadlock.
func TestReferenceDeadlockShutdown(t *testing.T) {
	p := newPool(t, 2)
	f := fails.Go(t.Context(), p, "kill")
	require.NoError(t, p.Close())
	require.ErrorAs(t, f.Err(), new(*WorkerDiedError))

	p = newPool(t, 2)
	g := refuses.Go(t.Context(), p, mute{"shy"})
	require.NoError(t, p.Close())
	require.ErrorIs(t, g.Err(), errMute)
}

// test_crash_big_data, test_gh105829_should_not_deadlock_if_wakeup_pipe_full, loky's
// test_queue_full_deadlock.
func TestReferenceDeadlockBigDataAndManyTasks(t *testing.T) {
	p := newPool(t, 2)
	var all []*Future[[]byte]
	data := bytes.Repeat([]byte("x"), 4<<20)
	for range 8 {
		all = append(all, large.Go(t.Context(), p, data))
	}
	killed := fails.Go(t.Context(), p, "kill")
	tasks := 20_000
	if brief() {
		tasks = 3_000
	}
	many := make([]*Future[int], tasks)
	for i := range many {
		many[i] = square.Go(t.Context(), p, i)
	}
	_, err := killed.Get(t.Context())
	require.ErrorAs(t, err, new(*WorkerDiedError))
	for _, f := range all {
		out, err := f.Get(t.Context())
		require.NoError(t, err)
		require.Len(t, out, 2*len(data))
	}
	for i, f := range many {
		n, err := f.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, i*i, n)
	}
}

// slow takes a while to encode and to decode.
type slow struct{ D time.Duration }

func (s slow) MarshalCBOR() ([]byte, error) {
	<-time.After(s.D) // the time it takes
	return cbor.Marshal(int64(s.D))
}

func (s *slow) UnmarshalCBOR(b []byte) error {
	<-time.After(time.Millisecond)
	return cbor.Unmarshal(b, (*int64)(&s.D))
}

var echoesSlowly = Register("test.echoesSlowly", func(_ context.Context, in slow) (slow, error) { return in, nil })

// test_worker_timeout_with_slowly_pickling_objects, test_worker_timeout_shutdown_no_deadlock,
// test_resize_after_timeout.
func TestReferenceIdleTimeoutRaces(t *testing.T) {
	p := newPool(t, 2, WithIdleTimeout(time.Millisecond))
	for range 3 {
		for _, d := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond} {
			out, err := echoesSlowly.Call(t.Context(), p, slow{d})
			require.NoError(t, err)
			require.Equal(t, d, out.D)
		}
	}
	eventually(t, func() bool { return p.Stats().Workers == 0 }, "no worker")
	require.NoError(t, p.Resize(3))
	out, err := square.Map(t.Context(), p, upTo(100), WithChunk(1))
	require.NoError(t, err)
	require.Equal(t, squares(100), out)
	require.NoError(t, p.Close())
	require.Zero(t, p.Stats().Died, "an end for want of work is no death")
}

// test_reusable_executor_resize_many_times, test_kill_after_resize_call,
// test_reusable_executor_thread_safety.
func TestReferenceResizeWhileAtWork(t *testing.T) {
	p := newPool(t, 2)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 5 {
				out, err := square.Map(t.Context(), p, upTo(200), WithChunk(1))
				require.NoError(t, err)
				require.Equal(t, squares(200), out)
			}
		})
	}
	for _, n := range []int{1, 3, 2, 1, 2} {
		all.Go(func() { require.NoError(t, p.Resize(n)) })
	}
	all.Wait()
	require.NoError(t, p.Resize(2))
	_, err := fails.Call(t.Context(), p, "kill")
	require.ErrorAs(t, err, new(*WorkerDiedError))
	eventually(t, func() bool { return p.Stats().Workers == 2 }, "two workers")
	require.NoError(t, p.Close())
}

// test_reusable_executor_submit_during_shutdown_race.
func TestReferenceSubmitWhileClosing(t *testing.T) {
	p := newPool(t, 1)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for {
				n, err := square.Call(t.Context(), p, 3)
				if err != nil {
					require.ErrorIs(t, err, ErrPoolClosed)
					return
				}
				require.Equal(t, 9, n)
			}
		})
	}
	eventually(t, func() bool { return p.Stats().Done > 10 }, "some calls done")
	require.NoError(t, p.Close())
	all.Wait()
}
