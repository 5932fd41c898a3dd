package ipc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/spin"
)

// lullOf is how long a lull is after many of them, between which so much is passed.
func lullOf(passed, step, room uint64) time.Duration {
	ns := int64(maxLull)
	for range 64 {
		ns = lullAfter(ns, passed, step, room)
	}
	return time.Duration(ns)
}

func TestThereIsNoLullWhereEachMessageIsAnswered(t *testing.T) {
	require.Zero(t, lullOf(1, 1, 1024))
	require.Zero(t, lullOf(64, 64, 0), "a stream")
}

func TestALullIsAsLongAsTheFlowIsWorth(t *testing.T) {
	require.Equal(t, maxLull, lullOf(2, 1, 1024))
	require.Equal(t, maxLull, lullOf(flowMany, 1, 1024))
	require.Equal(t, flowLull, lullOf(flowMany+1, 1, 1024))
	require.Equal(t, maxLull, lullOf(1<<20, 64, 0), "a stream")
}

func TestALullDoesNotLastUntilTheRingIsFull(t *testing.T) {
	require.Zero(t, lullOf(2, 1, 2))
	require.Zero(t, lullOf(33, 1, 64))
	require.Equal(t, maxLull, lullOf(32, 1, 64))
}

func TestThereIsOneLullAtAPosition(t *testing.T) {
	var l lull
	l.pass(10, 1, 1024)
	was := l.ns.Load()
	require.False(t, l.pass(10, 1, 1024))
	require.Equal(t, was, l.ns.Load())
}

// Hints may be behind: then there may be messages, or free cells, beyond.
func TestWhoFindsAHintBehindDoesNotRest(t *testing.T) {
	rings, _ := aRing(t, 1, 2*groupSize, 8, 0)
	r := rings[0]
	c := r.cells.Load()
	require.True(t, c.isDrained())
	require.False(t, c.isFull())
	all := make([]byte, 2*groupSize*8)
	require.Equal(t, 2*groupSize, r.PutManyQuick(all, 8))
	require.True(t, c.isFull())
	require.False(t, c.isDrained())

	tail := c.tail.Load()
	c.tail.Store(tail - 1)
	require.False(t, c.isFull(), "a message that is ready is not one that was not released")
	c.tail.Store(tail)

	taken, err := r.TryTake()
	require.NoError(t, err)
	c.head.Store(0)
	require.False(t, c.isDrained(), "a message that is being read")
	taken.Release()
	require.False(t, c.isDrained(), "one that was released")
}

func TestOnlyThePatientRestBeforeABatch(t *testing.T) {
	if !spin.Worthwhile() {
		t.Skip("nobody rests who has the only CPU")
	}
	rings, _ := aRing(t, 1, 2*groupSize, 8, 0)
	r := rings[0]
	one := make([]byte, 8*groupSize)
	_, err := r.TryGet(nil) // which looks for the dead, as it is the first
	require.ErrorIs(t, err, ErrEmpty)
	require.Equal(t, groupSize, r.PutManyQuick(one, 8))
	got, _ := r.GetManyQuick(one, 8, true)
	require.Equal(t, groupSize, got, "so that head is where no lull was")
	for _, patient := range []bool{false, true} {
		got, odd := r.GetManyQuick(one, 8, patient)
		require.Zero(t, got)
		require.Empty(t, odd)
		require.Equal(t, patient, r.getLull.last.Load() == r.cells.Load().head.Load())
	}
}
