package ipc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/spin"
)

// lullOf is how long a lull is after many of them, after each of which so much is found, and
// passed before the next one.
func lullOf(passed, found, room uint64) time.Duration {
	ns := int64(maxLull)
	for range 64 {
		ns = lullInRing(ns, passed, found, room, flowLull)
	}
	return time.Duration(ns)
}

// lullInStream is the same in a stream, where a message takes 64 bytes.
func lullInStream(passed uint64) time.Duration {
	ns := int64(maxLull)
	for range 64 {
		ns = lullAfter(ns, passed, 64, maxLull)
	}
	return time.Duration(ns)
}

func TestThereIsNoLullWhereEachMessageIsAnswered(t *testing.T) {
	require.Zero(t, lullOf(1, 0, 1024))
	require.Zero(t, lullInStream(64))
}

func TestALullIsAsLongAsTheFlowIsWorth(t *testing.T) {
	require.Equal(t, maxLull, lullOf(2, 2, 1024))
	require.Equal(t, maxLull, lullOf(flowMany, 64, 1024))
	require.Equal(t, flowLull, lullOf(flowMany+1, 64, 1024))
	require.Equal(t, flowLull, lullOf(1<<20, 512, 1024), "whatever was passed")
	require.Equal(t, maxLull, lullInStream(1<<20))
}

func TestALullDoesNotLastUntilTheRingIsFull(t *testing.T) {
	require.Zero(t, lullOf(2, 2, 2))
	require.Zero(t, lullOf(1<<20, 33, 64))
	require.Equal(t, flowLull, lullOf(1<<20, 32, 64))
}

func TestBatchesMayStayAwayLonger(t *testing.T) {
	require.EqualValues(t, bulkLull, lullInRing(int64(bulkLull), flowMany+1, 0, 1024, bulkLull))
	require.EqualValues(t, maxLull, lullInRing(int64(bulkLull), flowMany, 0, 1024, bulkLull))
}

func TestALullNotesWhatIsFoundAfterIt(t *testing.T) {
	if !spin.Worthwhile() {
		t.Skip("nobody rests who has the only CPU")
	}
	rings, _ := aRing(t, 1, 64, 8, 0)
	c := rings[0].cells.Load()
	var get, put lull
	get.ns.Store(int64(minLull))
	put.ns.Store(int64(minLull))
	c.head.Store(10)
	c.tail.Store(30)
	require.True(t, get.passDrained(c, flowLull))
	require.EqualValues(t, 20, get.found.Load(), "messages")
	require.True(t, put.passFull(c, flowLull))
	require.EqualValues(t, 44, put.found.Load(), "free cells")

	c.head.Store(12)
	require.True(t, get.passDrained(c, flowLull), "that was longer")
	require.EqualValues(t, 4*minLull, get.ns.Load())
	c.head.Store(14)
	get.found.Store(33)
	require.True(t, get.passDrained(c, flowLull))
	require.EqualValues(t, 2*minLull, get.ns.Load(), "more than half of the ring was found")

	get.ns.Store(0)
	c.head.Store(15)
	require.False(t, get.passDrained(c, flowLull), "each message is answered")
	require.Zero(t, get.found.Load())
}

func TestThereIsOneLullAtAPosition(t *testing.T) {
	rings, _ := aRing(t, 1, 64, 8, 0)
	c := rings[0].cells.Load()
	c.head.Store(10)
	var l lull
	l.passDrained(c, flowLull)
	was := l.ns.Load()
	require.NotZero(t, was)
	require.False(t, l.passDrained(c, flowLull))
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
