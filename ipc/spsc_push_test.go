package ipc

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// counted is a stream of numbered records of 64 bytes with both its ends, whose user
// takes the quick way where it can.
type counted struct {
	t         *testing.T
	w         *pusher
	r         *puller
	sent, got uint64
}

const countedLength = 64

func newCounted(t *testing.T, world *world) *counted {
	const capacity = 4096
	size, err := StreamSize(capacity)
	require.NoError(t, err)
	mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
	require.NoError(t, InitFixedStream(mem, capacity, countedLength))
	return openCounted(t, world, mem)
}

func openCounted(t *testing.T, world *world, mem []byte) *counted {
	w, err := OpenWriter(world.mate(), mem)
	require.NoError(t, err)
	r, err := OpenReader(world.mate(), mem)
	require.NoError(t, err)
	if !w.reached {
		t.Skip("no favours here: without the kernel's barriers, on this architecture, or under the race detector")
	}
	return &counted{t: t, w: newPusher(w, countedLength), r: newPuller(r, countedLength)}
}

// pushed is how many records were sent by Push alone.
func (n *counted) pushed() uint64 { return n.sent - uint64(n.w.slow) }

func (n *counted) put() {
	var msg [countedLength]byte
	binary.LittleEndian.PutUint64(msg[:], n.sent)
	n.sent++
	require.NoError(n.t, n.w.push(atOnce, msg[:]))
}

func (n *counted) get() {
	var msg [countedLength]byte
	if n.got%4 == 0 {
		require.NoError(n.t, n.r.pull(atOnce, msg[:]))
	} else {
		require.NoError(n.t, n.r.tryPull(msg[:]))
	}
	require.Equal(n.t, n.got, binary.LittleEndian.Uint64(msg[:]))
	n.got++
}

func (n *counted) unread() uint64 { return n.sent - n.got }

// small is how many records fit into the small ring.
func (n *counted) small() uint64 { return n.w.m.small.size() / countedLength }

// Who has received nothing yet may have the favour as well, for having tried so often.
func TestPullLooksAlsoBeforeTheFirstRecord(t *testing.T) {
	n := newCounted(t, newWorld(t))
	n.findNothing()
	for range 3 * fewInARow {
		n.put()
		n.get()
	}
}

// findNothing tries until the reader has the favour, and on.
func (n *counted) findNothing() {
	var msg [countedLength]byte
	for range 3 * fewInARow {
		require.ErrorIs(n.t, n.r.pull(atOnce, msg[:]), ErrEmpty)
	}
	require.NotNil(n.t, n.r.favour.to.Load())
	for range 5 {
		require.ErrorIs(n.t, n.r.tryPull(msg[:]), ErrEmpty)
	}
	require.NotNil(n.t, n.r.favour.to.Load(), "who finds nothing keeps it")
}

// Where the last record came while it looked, the next one may: so it looks longer.
func TestSeekLooksLongerWhereTheLastRecordCame(t *testing.T) {
	n := newCounted(t, newWorld(t))
	for range 3 * fewInARow {
		n.put()
		n.get()
	}
	f := n.r.favour.to.Load()
	var msg [countedLength]byte
	for range 3 {
		n.put()
		require.NoError(t, n.r.tryPull(msg[:]))
		require.EqualValues(t, 1, f.answered)
		require.ErrorIs(t, n.r.tryPull(msg[:]), ErrEmpty)
		require.Zero(t, f.answered)
	}
	require.Equal(t, f, n.r.favour.to.Load())
}

// A stream that begins far on, as one does that was damaged, or has been used for centuries.
func TestPullLooksWhereverTheStreamBegins(t *testing.T) {
	for _, begin := range []uint64{1 << 63, 1<<63 + 4096, 1<<64 - 4096} {
		const capacity = 4096
		size, err := StreamSize(capacity)
		require.NoError(t, err)
		mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
		initStream(mem, capacity, smallRing(capacity), countedLength, begin)
		n := openCounted(t, newWorld(t), mem)
		n.findNothing()
		for range 3 * capacity / countedLength {
			n.put()
			n.get()
		}
	}
}

// Push begins lap after lap of the small ring by itself while the records are read one by
// one, and overtakes nobody when they are not: what there is no room for goes to the large
// ring, and every record arrives once, in order.
func TestPushInTheSmallRingOvertakesNoReader(t *testing.T) {
	n := newCounted(t, newWorld(t))
	require.NotZero(t, n.small())
	for unread := range 3 * n.small() {
		for range 8 * n.small() { // one by one; long enough to get the favour, and to come back
			n.put()
			n.get()
		}
		for range unread {
			n.put()
		}
		for range unread {
			n.get()
		}
	}
	require.Greater(t, n.pushed(), n.sent/2, "by Push")
}
