package mp

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A tardy result is one whose encoding takes as long as somebody wants, or kills its
// process: what comes between the early wake-up of a pool and the answer.
type tardy struct {
	scene tardyScene
}

type tardyScene struct {
	Return   *Event // the function may return
	Encoding *Event // the result is being encoded
	Encoded  *Event // and may be now
	Dies     bool
}

func (r tardy) MarshalCBOR() ([]byte, error) {
	if r.scene.Dies {
		killMyself()
	}
	if err := r.scene.Encoding.Set(); err != nil {
		return nil, err
	}
	return []byte{0xf5}, r.scene.Encoded.Wait(context.Background()) // true
}

func (*tardy) UnmarshalCBOR([]byte) error { return nil }

var isTardy = Register("is tardy", func(ctx context.Context, s tardyScene) (tardy, error) {
	return tardy{s}, s.Return.Wait(ctx)
})

func newTardyScene(t *testing.T) (s tardyScene) {
	for _, e := range []**Event{&s.Return, &s.Encoding, &s.Encoded} {
		var err error
		*e, err = NewEvent()
		require.NoError(t, err)
	}
	return s
}

func (s tardyScene) free(t *testing.T) {
	for _, e := range []*Event{s.Return, s.Encoding, s.Encoded} {
		require.NoError(t, e.Free())
	}
}

// poolAsleep waits until the pool's process sleeps in the kernel for its workers.
func poolAsleep(t *testing.T) {
	t.Helper()
	eventually(t, func() bool { return asleepInKernel(t, os.Getpid()) > 0 }, "a pool that sleeps")
}

// A worker wakes its pool when the function has returned. If the answer takes so long
// that the pool goes to sleep again, the answer wakes it.
func TestAPoolWokenTooEarlyMissesNoAnswer(t *testing.T) {
	p := newPool(t, 1)
	ctx := within(t)
	for range 20 {
		s := newTardyScene(t)
		future := isTardy.Go(ctx, p, s)
		poolAsleep(t)
		require.NoError(t, s.Return.Set())
		eventually(t, s.Encoding.IsSet, "a function that has returned")
		poolAsleep(t)
		require.NoError(t, s.Encoded.Set())
		_, err := future.Get(ctx)
		require.NoError(t, err)
		s.free(t)
	}
}

// A worker that is killed between the two has not answered.
func TestAWorkerKilledAfterItWokeItsPool(t *testing.T) {
	p := newPool(t, 1)
	ctx := within(t)
	for range 5 {
		s := newTardyScene(t)
		s.Dies = true
		future := isTardy.Go(ctx, p, s)
		poolAsleep(t)
		require.NoError(t, s.Return.Set())
		_, err := future.Get(ctx)
		require.ErrorAs(t, err, new(*WorkerDiedError))
		s.free(t)
	}
}
