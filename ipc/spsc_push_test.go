package ipc

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// Push begins lap after lap of the small ring by itself while the records are read one by
// one, and overtakes nobody when they are not: what there is no room for goes to the large
// ring, and every record arrives once, in order.
func TestPushInTheSmallRingOvertakesNoReader(t *testing.T) {
	const capacity, length = 4096, 64
	size, err := StreamSize(capacity)
	require.NoError(t, err)
	mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
	require.NoError(t, InitFixedStream(mem, capacity, length))
	world := newWorld(t)
	w, err := OpenWriter(world.mate(), mem)
	require.NoError(t, err)
	r, err := OpenReader(world.mate(), mem)
	require.NoError(t, err)
	if !w.reached {
		t.Skip("no favours here: without the kernel's barriers, on this architecture, or under the race detector")
	}
	small := w.m.small.size() / length
	require.NotZero(t, small)

	var msg [length]byte
	sent, got, pushed := uint64(0), uint64(0), 0
	put := func() {
		binary.LittleEndian.PutUint64(msg[:], sent)
		if sent++; w.Push(msg[:]) {
			pushed++
			return
		}
		w.Withdraw()
		require.NoError(t, w.TryPut(msg[:]))
		w.Grant()
	}
	get := func() {
		if !r.Pull(msg[:], 1) {
			r.Withdraw()
			_, err := r.TryGet(msg[:0])
			require.NoError(t, err)
			r.Grant()
		}
		require.Equal(t, got, binary.LittleEndian.Uint64(msg[:]))
		got++
	}
	for unread := range 3 * small {
		for range 8 * small { // one by one; long enough to get the favour, and to come back
			put()
			get()
		}
		for range unread {
			put()
		}
		for range unread {
			get()
		}
	}
	require.Greater(t, pushed, int(sent/2), "by Push")
}
