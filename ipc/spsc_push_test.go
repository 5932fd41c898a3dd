package ipc

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// counted is a stream of numbered records of 64 bytes with both its ends, whose user
// takes the quick way where it can.
type counted struct {
	t                 *testing.T
	w                 *StreamWriter
	r                 *StreamReader
	sent, got, pushed uint64
}

const countedLength = 64

func newCounted(t *testing.T, world *world) *counted {
	const capacity = 4096
	size, err := StreamSize(capacity)
	require.NoError(t, err)
	mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
	require.NoError(t, InitFixedStream(mem, capacity, countedLength))
	w, err := OpenWriter(world.mate(), mem)
	require.NoError(t, err)
	r, err := OpenReader(world.mate(), mem)
	require.NoError(t, err)
	if !w.reached {
		t.Skip("no favours here: without the kernel's barriers, on this architecture, or under the race detector")
	}
	return &counted{t: t, w: w, r: r}
}

func (n *counted) put() {
	var msg [countedLength]byte
	binary.LittleEndian.PutUint64(msg[:], n.sent)
	if n.sent++; n.w.Push(msg[:]) {
		n.pushed++
		return
	}
	n.w.Withdraw()
	require.NoError(n.t, n.w.TryPut(msg[:]))
	n.w.Grant()
}

func (n *counted) get() {
	var msg [countedLength]byte
	if !n.r.Pull(msg[:], 1+int(n.got%3)) {
		n.r.Withdraw()
		_, err := n.r.TryGet(msg[:0])
		require.NoError(n.t, err)
		n.r.Grant()
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
	var msg [countedLength]byte
	for range 2 * fewInARow {
		n.r.Withdraw()
		_, err := n.r.TryGet(msg[:0])
		require.ErrorIs(t, err, ErrEmpty)
		n.r.Grant()
	}
	for _, looks := range []int{1, 2, 3, soonLooks} {
		require.False(t, n.r.Pull(msg[:], looks))
		require.False(t, n.r.PullSoon(msg[:]))
	}
	for range 3 * fewInARow {
		n.put()
		n.get()
	}
}

// A stream that begins far on, as one does that was damaged, or has been used for centuries.
func TestPullLooksWhereverTheStreamBegins(t *testing.T) {
	for _, begin := range []uint64{1 << 63, 1<<63 + 4096, 1<<64 - 4096} {
		const capacity = 4096
		size, err := StreamSize(capacity)
		require.NoError(t, err)
		mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
		initStream(mem, capacity, smallRing(capacity), countedLength, begin)
		world := newWorld(t)
		_, err = OpenWriter(world.mate(), mem)
		require.NoError(t, err)
		r, err := OpenReader(world.mate(), mem)
		require.NoError(t, err)
		var msg [countedLength]byte
		for range 2 * fewInARow {
			r.Withdraw()
			_, err := r.TryGet(msg[:0])
			require.ErrorIs(t, err, ErrEmpty)
			r.Grant()
		}
		require.False(t, r.Pull(msg[:], 3))
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
	require.Greater(t, n.pushed, n.sent/2, "by Push")
}
