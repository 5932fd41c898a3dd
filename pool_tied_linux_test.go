package mp

import (
	"context"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A snap is an answer that speaks of one object, which needs no parcel.
type snap struct {
	ID     uint32
	Pixels *Array[byte]
}

var (
	takesSnap = Register("takes a snap", func(_ context.Context, n int) (snap, error) {
		a, err := NewArray[byte](n)
		if err == nil && n > 0 {
			a.Set(n-1, 7)
		}
		return snap{uint32(n), a}, err
	})

	takesSnapLater = Register("takes a snap later", func(ctx context.Context, now *Event) (snap, error) {
		if err := now.Wait(ctx); err != nil {
			return snap{}, err
		}
		a, err := NewArray[byte](100)
		if err == nil {
			a.Set(99, 7)
		}
		return snap{100, a}, err
	})

	echoesSnap = Register("echoes a snap", func(_ context.Context, s snap) (snap, error) { return s, nil })

	snapOrWait = Register("takes a snap or waits", func(ctx context.Context, n int) (snap, error) {
		if n == 0 {
			<-ctx.Done()
			return snap{}, ctx.Err()
		}
		a, err := NewArray[byte](n)
		return snap{uint32(n), a}, err
	})

	// Ties what it has made after all that nobody uses any more is collected.
	tiesAfterCollection = Register("ties after a collection", func(context.Context, struct{}) (bool, error) {
		reclaim()
		reclaim()
		a, err := NewArray[byte](1)
		if err != nil {
			return false, err
		}
		r, err := a.WireRef()
		return serving.Load().link.Tie(r), err
	})

	// As if the process were killed after the object was tied and before the answer was
	// committed.
	diesTied = Register("dies tied", func(context.Context, struct{}) (snap, error) {
		a, err := NewArray[byte](1)
		if err != nil {
			return snap{}, err
		}
		r, err := a.WireRef()
		if err != nil || !serving.Load().link.Tie(r) {
			panic("it cannot be tied")
		}
		killMyself()
		return snap{}, nil
	})
)

func requireSnap(t *testing.T, s snap, err error, n int) {
	t.Helper()
	require.NoError(t, err)
	require.Equal(t, uint32(n), s.ID)
	require.Equal(t, n, s.Pixels.Len())
	require.Equal(t, byte(7), s.Pixels.At(n-1))
}

func closeAndWait(t *testing.T, p *Pool) {
	t.Helper()
	require.NoError(t, p.Close())
	require.NoError(t, p.Wait(t.Context()))
}

func TestAnObjectIsHandedBackWithoutAParcel(t *testing.T) {
	requireNoLeak(t)
	p := newPool(t, 1, WithWarmStart())
	before := MemoryStats().Blocks
	f := takesSnap.Go(t.Context(), p, 100)
	<-f.Done()
	require.Equal(t, before+1, MemoryStats().Blocks)
	s, err := f.Get(t.Context())
	requireSnap(t, s, err, 100)
	require.Equal(t, before+1, MemoryStats().Blocks)
	require.NoError(t, s.Pixels.Free())
	closeAndWait(t, p)
}

func TestAnObjectWhoseWorkerIsDeadIsHandedBack(t *testing.T) {
	requireNoLeak(t)
	p := newPool(t, 1, WithWarmStart())
	now, err := NewEvent()
	require.NoError(t, err)
	f := takesSnapLater.Go(t.Context(), p, now)
	p.mu.Lock() // nobody reads the answer
	require.NoError(t, now.Set())
	w := p.workers[0]
	eventually(t, w.answers.Ready, "an answer")
	proc := w.staff.(*workerProcess).proc
	require.NoError(t, syscall.Kill(proc.PID(), syscall.SIGKILL))
	<-proc.done
	p.mu.Unlock()
	s, err := f.Get(t.Context())
	requireSnap(t, s, err, 100)
	require.NoError(t, s.Pixels.Free())
	require.NoError(t, now.Free())
	closeAndWait(t, p)
}

func TestAnObjectThatIsTiedToADeadWorkersLinkGoes(t *testing.T) {
	requireNoLeak(t)
	p := newPool(t, 1)
	for range 20 {
		_, err := diesTied.Call(t.Context(), p, struct{}{})
		var died *WorkerDiedError
		require.ErrorAs(t, err, &died)
	}
	closeAndWait(t, p)
}

// While it is tied to one link, another worker sends it in a parcel.
func TestAnObjectComesBackFromAllWorkersAtOnce(t *testing.T) {
	requireNoLeak(t)
	p := newPool(t, 3)
	s, err := takesSnap.Call(t.Context(), p, 100)
	requireSnap(t, s, err, 100)
	back, err := echoesSnap.Map(t.Context(), p, slices.Repeat([]snap{s}, 500), WithChunk(1))
	require.NoError(t, err)
	for _, b := range back {
		requireSnap(t, b, nil, 100)
		require.NoError(t, b.Pixels.Free())
	}
	for b, err := range echoesSnap.MapSeq(t.Context(), p, slices.Values(slices.Repeat([]snap{s}, 100))) {
		requireSnap(t, b, err, 100)
		require.NoError(t, b.Pixels.Free())
	}
	requireSnap(t, s, nil, 100)
	require.NoError(t, s.Pixels.Free())
	closeAndWait(t, p)
}

func TestAnObjectThatNobodyAsksForGoes(t *testing.T) {
	requireNoLeak(t)
	p := newPool(t, 2)
	for range 10 {
		takesSnap.Go(t.Context(), p, 100)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range takesSnap.MapSeq(ctx, p, slices.Values(slices.Repeat([]int{100}, 50))) {
		break // what was yielded is nobody's either
	}
	cancel()
	_, _ = takesSnap.Call(ctx, p, 100)
	none, err := echoesSnap.Call(t.Context(), p, snap{ID: 3})
	require.NoError(t, err)
	require.Equal(t, snap{ID: 3}, none)
	closeAndWait(t, p)
	eventually(t, func() bool { runtime.GC(); return MemoryStats().Blocks == 0 }, "nothing is left")
}

func TestAMapThatIsCancelledKeepsNoObjects(t *testing.T) {
	requireNoLeak(t)
	p := newPool(t, 1, WithPoolGrace(time.Millisecond))
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		done := p.Stats().Done
		go func() {
			eventually(t, func() bool { return p.Stats().Done >= done+3 }, "three answers")
			cancel()
		}()
		_, err := snapOrWait.Map(ctx, p, []int{100, 100, 100, 0}, WithChunk(1))
		require.ErrorIs(t, err, context.Canceled)
	}
	closeAndWait(t, p)
}

func TestAWorkerHoldsItsLink(t *testing.T) {
	requireNoLeak(t)
	p := newPool(t, 1)
	tied, err := tiesAfterCollection.Call(t.Context(), p, struct{}{})
	require.NoError(t, err)
	require.True(t, tied)
	closeAndWait(t, p)
}

func TestACallerThatSpinsIsAnsweredAndHeedsItsContext(t *testing.T) {
	requireNoLeak(t)
	p := newPool(t, 1, WithSpin(time.Hour), WithPoolGrace(time.Millisecond))
	for n := range 100 {
		out, err := square.Call(t.Context(), p, n)
		require.NoError(t, err)
		require.Equal(t, n*n, out)
	}
	begun, err := NewEvent()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_ = begun.Wait(t.Context())
		cancel()
	}()
	_, err = untilCancelled.Call(ctx, p, begun)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, begun.Free())
	closeAndWait(t, p)
}

var untilCancelled = Register("until cancelled", func(ctx context.Context, begun *Event) (struct{}, error) {
	if err := begun.Set(); err != nil {
		return struct{}{}, err
	}
	<-ctx.Done()
	return struct{}{}, ctx.Err()
})
