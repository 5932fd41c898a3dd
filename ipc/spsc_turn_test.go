package ipc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mpgo/mp/shm"
)

// twoRings is a stream with a small ring of 64 bytes, which four records of 16 bytes
// fill, and a large one of 256.
func twoRings(t *testing.T, pos uint64) (mem []byte, open func() (*StreamWriter, *StreamReader)) {
	mem = ringsOf(256, 64, 16, pos)
	world := newWorld(t)
	return mem, func() (*StreamWriter, *StreamReader) {
		w, err := OpenWriter(world.mate(), mem)
		require.NoError(t, err)
		r, err := OpenReader(world.mate(), mem)
		require.NoError(t, err)
		return w, r
	}
}

// sixteen is a record.
func sixteen(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 16) }

func requireNext(t *testing.T, r *StreamReader, i int) {
	t.Helper()
	got, err := r.TryGet(nil)
	require.NoError(t, err, "record %d", i)
	require.Equal(t, sixteen(i), got)
}

// Records that are read one by one stay in the small ring.
func TestRecordsThatAreReadAtOnceStayInTheSmallRing(t *testing.T) {
	mem, open := twoRings(t, ^uint64(0)-31)
	w, r := open()
	for i := range 100 {
		require.NoError(t, w.TryPut(sixteen(i)))
		requireNext(t, r, i)
	}
	require.Zero(t, bytes.Trim(mem[streamHeader:][:256], "\x00"), "the large ring was not used")
}

// What has no room in the small ring goes to the large one, and when the reader has
// caught up, to the small one again. Nothing is lost or out of order.
func TestAStreamTurnsToTheLargeRingAndBack(t *testing.T) {
	_, open := twoRings(t, ^uint64(0)-31)
	w, r := open()
	sent, got := 0, 0
	for range 20 {
		for w.TryPut(sixteen(sent)) == nil {
			sent++
		}
		require.Equal(t, 20, sent-got, "both rings are full")
		for range 20 {
			requireNext(t, r, got)
			got++
		}
		for range 40 { // a lap of the large ring, one by one
			require.NoError(t, w.TryPut(sixteen(sent)))
			sent++
			requireNext(t, r, got)
			got++
		}
		require.Equal(t, uint64(turnToSmall), w.turn&turnToSmall, "it is in the small ring")
	}
}

// A writer that is killed when it has turned, and written nothing yet, is followed by
// one that goes on in the ring that it turned to.
func TestAWriterKilledAfterATurn(t *testing.T) {
	mem := ringsOf(256, 64, 16, 0)
	world := newWorld(t)
	victim := world.mate()
	w, err := OpenWriter(victim, mem)
	require.NoError(t, err)
	r, err := OpenReader(world.mate(), mem)
	require.NoError(t, err)
	for i := range 4 {
		require.NoError(t, w.TryPut(sixteen(i)))
	}
	requireNext(t, r, 0)
	_, err = w.TryClaim(16)
	require.NoError(t, err)
	for w.turn&turnToSmall != 0 { // that had room
		w.Commit(16)
		_, err = w.TryClaim(16)
		require.NoError(t, err)
	}
	victim.die()
	next, err := OpenWriter(world.mate(), mem)
	require.NoError(t, err)
	require.Equal(t, w.turn, next.turn)
	require.NoError(t, next.TryPut(sixteen(9)))
	for i := 1; ; i++ {
		got, err := r.TryGet(nil)
		require.NoError(t, err)
		if bytes.Equal(got, sixteen(9)) {
			require.Equal(t, 5, i)
			return
		}
	}
}

// The word that says where the writer turned may hold anything. What cannot be is an error
// for whoever needs it; what might be is followed, within the rings.
func TestADamagedTurn(t *testing.T) {
	const far = 1 << 62
	for turn, damaged := range map[uint64]struct{ reader, writer bool }{
		3: {reader: true}, 15: {reader: true}, // no record begins there
		far: {writer: true}, 32: {writer: true}, // nobody has written so far
		16: {}, 17: {}, ^uint64(0): {},
	} {
		mem, open := twoRings(t, 0)
		w, r := open()
		require.NoError(t, w.TryPut(sixteen(1)))
		w.HandOver()
		w.m.turn.Store(turn)

		_, err := r.TryTake()
		require.Equal(t, damaged.reader, errors.Is(err, shm.ErrDamaged), "reader, turn %#x: %v", turn, err)
		_, err = OpenWriter(newWorld(t).mate(), mem)
		require.Equal(t, damaged.writer, errors.Is(err, shm.ErrDamaged), "writer, turn %#x: %v", turn, err)
	}
}

// However many records are sent in a row before they are read, and wherever that begins, there is
// room for as many as the large ring has.
func TestAStreamHasRoomForItsCapacity(t *testing.T) {
	const length, capacity = 64, 4096
	rapid.Check(t, func(rt *rapid.T) {
		size, err := StreamSize(capacity)
		require.NoError(rt, err)
		mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
		require.NoError(rt, InitFixedStream(mem, capacity, length))
		world := newWorld(t)
		w, err := OpenWriter(world.mate(), mem)
		require.NoError(rt, err)
		r, err := OpenReader(world.mate(), mem)
		require.NoError(rt, err)
		for range 100 {
			row := rapid.IntRange(1, capacity/length).Draw(rt, "row")
			for i := range row {
				require.NoError(rt, w.TryPut(make([]byte, length)), "record %d of %d that nobody has read", i, row)
			}
			for range row {
				_, err := r.TryGet(nil)
				require.NoError(rt, err)
			}
		}
	})
}
