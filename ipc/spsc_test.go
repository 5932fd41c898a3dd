package ipc

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mpgo/mp/shm"
)

func streamOf(t testing.TB, capacity int, pos uint64) []byte {
	return ringsOf(int(streamCapacity(capacity)), 0, -1, pos)
}

// ringsOf is a stream with two rings, of sizes that it would not get by itself.
func ringsOf(large, small, fixed int, pos uint64) []byte {
	size := streamHeader + large + small
	mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size:size]
	initStream(mem, uint32(large), uint32(small), fixed, pos)
	return mem
}

// aStream is a stream between two simulated processes.
func aStream(t testing.TB, capacity int, pos uint64) (*StreamWriter, *StreamReader, *mate, *mate) {
	mem := streamOf(t, capacity, pos)
	world := newWorld(t)
	writer, reader := world.mate(), world.mate()
	w, err := OpenWriter(writer, mem)
	require.NoError(t, err)
	r, err := OpenReader(reader, mem)
	require.NoError(t, err)
	return w, r, writer, reader
}

// Where streams begin in tests: at 0, and just before the positions go round.
var firstPositions = []uint64{0, math.MaxUint64 - 63, math.MaxUint64 - 15}

func readAll(t testing.TB, r *StreamReader) (all []string, err error) {
	for {
		b, err := r.TryGet(nil)
		if err != nil {
			return all, err
		}
		all = append(all, string(b))
	}
}

// A stream beside a slice of records, with random lengths: the same comes out.
func TestStreamGivesRecordsInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		capacity := rapid.SampledFrom([]int{1, 64, 100, 256, 1000}).Draw(rt, "capacity")
		w, r, _, _ := aStream(t, capacity, rapid.SampledFrom(firstPositions).Draw(rt, "position"))
		var model [][]byte
		fill := byte(0)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "put") {
				fill++
				msg := bytes.Repeat([]byte{fill}, rapid.IntRange(0, w.MaxRecord()).Draw(rt, "length"))
				if err := w.TryPut(msg); err == nil {
					model = append(model, msg)
				} else {
					require.ErrorIs(rt, err, ErrFull)
					require.NotEmpty(rt, model)
				}
				continue
			}
			b, err := r.TryGet([]byte{})
			if len(model) == 0 {
				require.ErrorIs(rt, err, ErrEmpty)
				continue
			}
			require.NoError(rt, err)
			require.Equal(rt, model[0], b)
			model = model[1:]
		}
	})
}

func TestStreamRecordOfEveryLengthFitsIntoAnEmptyOne(t *testing.T) {
	w, r, _, _ := aStream(t, 256, math.MaxUint64-15)
	for n := range w.MaxRecord() + 1 {
		msg := bytes.Repeat([]byte{byte(n)}, n)
		require.NoError(t, w.TryPut(msg))
		b, err := r.TryGet([]byte{})
		require.NoError(t, err)
		require.Equal(t, msg, b)
	}
	require.ErrorIs(t, w.TryPut(make([]byte, w.MaxRecord()+1)), shm.ErrTooLarge)
	_, err := w.TryClaim(-1)
	require.ErrorIs(t, err, shm.ErrTooLarge)
	_, err = w.TryClaim(math.MaxInt)
	require.ErrorIs(t, err, shm.ErrTooLarge)
}

func TestStreamClaimMayBeCommittedShorterOrDropped(t *testing.T) {
	w, r, _, _ := aStream(t, 256, 0)
	_, err := w.TryClaim(100)
	require.NoError(t, err)
	b, err := w.TryClaim(50)
	require.NoError(t, err)
	copy(b, "short")
	require.Panics(t, func() { w.Commit(51) })
	w.Commit(5)
	require.Panics(t, func() { w.Commit(0) }, "nothing is claimed")
	got, err := r.TryTake()
	require.NoError(t, err)
	require.Equal(t, "short", string(got))
	got, err = r.TryTake()
	require.NoError(t, err)
	require.Equal(t, "short", string(got), "until it is released")
	r.Release()
	require.Panics(t, r.Release)
}

func TestStreamCapacityOutOfRange(t *testing.T) {
	for _, c := range []int{0, -1, math.MinInt, MaxStreamCapacity + 1, math.MaxInt} {
		_, err := StreamSize(c)
		require.Error(t, err, c)
		require.Error(t, InitStream(make([]byte, 4096), c), c)
	}
	require.Error(t, InitStream(make([]byte, 1000), 1000))
	size, err := StreamSize(1)
	require.NoError(t, err)
	require.Equal(t, streamHeader+64, size)
}

func TestStreamWaitsForRecordsAndForRoom(t *testing.T) {
	w, r, _, _ := aStream(t, 64, 0)
	got := start(func() string { b, _ := r.Get(within(t), nil); return string(b) })
	blocks(t, got)
	require.NoError(t, w.TryPut([]byte("a")))
	require.Equal(t, "a", ends(t, got))
	for w.TryPut([]byte("full")) == nil {
	}
	put := start(func() error { return w.Put(within(t), []byte("last")) })
	blocks(t, put)
	_, err := r.TryGet(nil)
	require.NoError(t, err)
	require.NoError(t, ends(t, put))
	ctx, cancel := context.WithCancel(t.Context())
	put = start(func() error { return w.Put(ctx, make([]byte, 16)) })
	blocks(t, put)
	cancel()
	require.ErrorIs(t, ends(t, put), context.Canceled)
	require.ErrorIs(t, w.Put(ctx, nil), context.Canceled)
	all, err := readAll(t, r)
	require.ErrorIs(t, err, ErrEmpty)
	require.Equal(t, "last", all[len(all)-1])
	_, err = r.Get(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestStreamEndsAfterTheLastRecord(t *testing.T) {
	t.Run("writer closes", func(t *testing.T) {
		w, r, _, _ := aStream(t, 256, 0)
		require.NoError(t, w.TryPut([]byte("a")))
		require.NoError(t, w.Close())
		require.NoError(t, w.Close(), "again")
		require.ErrorIs(t, w.TryPut(nil), ErrClosed)
		all, err := readAll(t, r)
		require.Equal(t, []string{"a"}, all)
		require.Equal(t, io.EOF, err)
		_, err = r.Get(within(t), nil)
		require.Equal(t, io.EOF, err)
	})
	t.Run("writer closes while the reader waits", func(t *testing.T) {
		w, r, _, _ := aStream(t, 256, 0)
		got := start(func() error { _, err := r.Get(within(t), nil); return err })
		blocks(t, got)
		require.NoError(t, w.Close())
		require.Equal(t, io.EOF, ends(t, got))
	})
	t.Run("writer dies", func(t *testing.T) {
		w, r, writer, _ := aStream(t, 256, 0)
		require.NoError(t, w.TryPut([]byte("a")))
		b, err := w.TryClaim(10)
		require.NoError(t, err)
		copy(b, "unfinished")
		writer.die()
		all, err := readAll(t, r)
		require.Equal(t, []string{"a"}, all)
		require.ErrorIs(t, err, ErrPeerDied)
		require.ErrorIs(t, err, io.EOF)
	})
	t.Run("writer dies while the reader waits", func(t *testing.T) {
		_, r, writer, _ := aStream(t, 256, 0)
		got := start(func() error { _, err := r.Get(within(t), nil); return err })
		blocks(t, got)
		writer.die()
		require.ErrorIs(t, ends(t, got), ErrPeerDied)
	})
	t.Run("writer dies between its store and its wake-up", func(t *testing.T) {
		w, r, writer, _ := aStream(t, 256, 0)
		got := start(func() string { b, _ := r.Get(within(t), nil); return string(b) })
		blocks(t, got)
		binary.LittleEndian.PutUint64(w.ring.records, 3)
		copy(w.ring.records[16:], "abc")
		w.m.tail.Store(32)
		writer.die()
		require.Equal(t, "abc", ends(t, got))
	})
	t.Run("reader closes while the writer waits", func(t *testing.T) {
		w, r, _, _ := aStream(t, 64, 0)
		for w.TryPut(nil) == nil {
		}
		put := start(func() error { return w.Put(within(t), nil) })
		blocks(t, put)
		require.NoError(t, r.Close())
		require.ErrorIs(t, ends(t, put), io.ErrClosedPipe)
		_, err := r.TryGet(nil)
		require.ErrorIs(t, err, ErrClosed)
	})
	t.Run("reader dies while the writer waits", func(t *testing.T) {
		w, _, _, reader := aStream(t, 64, 0)
		for w.TryPut(nil) == nil {
		}
		put := start(func() error { return w.Put(within(t), nil) })
		blocks(t, put)
		reader.die()
		require.ErrorIs(t, ends(t, put), ErrPeerDied)
	})
	t.Run("own end closes while waiting", func(t *testing.T) {
		_, r, _, _ := aStream(t, 64, 0)
		got := start(func() error { _, err := r.Get(within(t), nil); return err })
		blocks(t, got)
		require.NoError(t, r.Close())
		require.ErrorIs(t, ends(t, got), ErrClosed)
	})
}

func TestStreamEndsHaveOneOwner(t *testing.T) {
	mem := streamOf(t, 256, 0)
	world := newWorld(t)
	a, b, c := world.mate(), world.mate(), world.mate()
	w, err := OpenWriter(a, mem)
	require.NoError(t, err)
	_, err = OpenWriter(b, mem)
	require.ErrorIs(t, err, ErrEndTaken)
	r, err := OpenReader(c, mem)
	require.NoError(t, err)

	require.NoError(t, w.TryPut([]byte("1")))
	w.HandOver()
	require.ErrorIs(t, w.TryPut(nil), ErrClosed)
	all, err := readAll(t, r)
	require.ErrorIs(t, err, ErrEmpty, "nobody has it: the reader waits")
	require.Equal(t, []string{"1"}, all)
	w, err = OpenWriter(b, mem)
	require.NoError(t, err)
	require.NoError(t, w.TryPut([]byte("2")))
	require.NoError(t, w.TryPut([]byte("3")))

	_, err = r.TryTake()
	require.NoError(t, err)
	c.die()
	r, err = OpenReader(a, mem)
	require.NoError(t, err, "the dead's end may be taken")
	all, _ = readAll(t, r)
	require.Equal(t, []string{"2", "3"}, all, "what it had not released is read again")
	require.NoError(t, w.Close())
	_, err = OpenWriter(a, mem)
	require.ErrorIs(t, err, ErrClosed)
}

func TestStreamSurvivesHostileMemory(t *testing.T) {
	good := streamOf(t, 128, 0)
	rapid.Check(t, func(rt *rapid.T) {
		mem := streamOf(t, 128, 0)
		words := []int{0, 128, 256, 384, 392, 400, 512, 520, 528, 640, 648, 656}
		for range 2 {
			at := rapid.SampledFrom(words).Draw(rt, "word")
			v := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 256)).Draw(rt, "value")
			binary.LittleEndian.PutUint64(mem[at:], v)
		}
		world := newWorld(t)
		w, err := OpenWriter(world.mate(), mem)
		if err == nil {
			for range 10 {
				_ = w.TryPut([]byte("0123456789"))
			}
		}
		if r, err := OpenReader(world.mate(), mem); err == nil {
			for range 20 {
				if b, err := r.TryGet(nil); err == nil {
					require.LessOrEqual(rt, len(b), 128)
				}
			}
		}
	})
	for _, n := range []int{0, 1, streamHeader, len(good) - 1} {
		_, err := OpenWriter(newWorld(t).mate(), good[:n])
		require.ErrorIs(t, err, shm.ErrDamaged)
	}
}

func TestStreamHostileLengthIsAnError(t *testing.T) {
	for _, word := range []uint64{17, 1 << 31, 1<<32 - 1, 2 << 32, math.MaxUint64} {
		w, r, _, _ := aStream(t, 128, 0)
		require.NoError(t, w.TryPut(make([]byte, 16)))
		binary.LittleEndian.PutUint64(w.ring.records, word)
		_, err := r.TryGet(nil)
		require.ErrorIs(t, err, shm.ErrDamaged, "%#x", word)
	}
}

func TestStreamFastPathsDoNotAllocate(t *testing.T) {
	w, r, _, _ := aStream(t, 1024, 0)
	msg, buf := make([]byte, 64), make([]byte, 0, 64)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = w.Put(context.Background(), msg)
		_, _ = r.Get(context.Background(), buf)
	}))
}

// Two goroutines, over memory that the race detector sees.
func TestStreamTraffic(t *testing.T) {
	for _, capacity := range []int{64, 100, 4096} {
		w, r, _, _ := aStream(t, capacity, math.MaxUint64-15)
		const n = 3000
		sent := start(func() error {
			for i := range n {
				if err := w.Put(t.Context(), fmt.Append(nil, i)); err != nil {
					return err
				}
			}
			return w.Close()
		})
		for i := range n {
			b, err := r.Get(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), string(b))
		}
		_, err := r.Get(t.Context(), nil)
		require.Equal(t, io.EOF, err)
		require.NoError(t, ends(t, sent))
	}
}

func BenchmarkStreamPutGetAlone(b *testing.B) {
	w, r, _, _ := aStream(b, 1<<16, 0)
	msg, buf := make([]byte, 64), make([]byte, 0, 64)
	for b.Loop() {
		_ = w.Put(context.Background(), msg)
		_, _ = r.Get(context.Background(), buf)
	}
}
