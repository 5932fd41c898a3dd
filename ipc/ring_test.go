package ipc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// ringMemory is Go-heap memory for a ring, where the race detector sees it.
func ringMemory(t testing.TB, capacity, inline int) []byte {
	size, err := RingSize(capacity, inline)
	require.NoError(t, err)
	return alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
}

// The laps at which rings begin in tests: the first, and those just before a
// state's lap, and the sign of the difference of two, go round.
var firstLaps = []uint64{0, 1<<29 - 2, 1<<30 - 2}

// aRing gives one view of one new ring to each of n simulated processes.
func aRing(t testing.TB, n, capacity, inline int, lap uint64) ([]*Ring, []*mate) {
	mem := ringMemory(t, capacity, inline)
	require.NoError(t, initRing(mem, capacity, inline, lap))
	w := newWorld(t)
	var rings []*Ring
	var mates []*mate
	for range n {
		m := w.mate()
		r, err := OpenRing(m, mem)
		require.NoError(t, err)
		rings, mates = append(rings, r), append(mates, m)
	}
	return rings, mates
}

func mustTake(t testing.TB, r *Ring) string {
	t.Helper()
	b, err := r.TryGet(nil)
	require.NoError(t, err)
	return string(b)
}

func mustPut(t testing.TB, r *Ring, s string) {
	t.Helper()
	require.NoError(t, r.TryPut([]byte(s)))
}

func TestRingGivesMessagesInOrderThroughManyLaps(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 4, 5, 7, 8, 100} {
		for _, lap := range firstLaps {
			t.Run(fmt.Sprintf("%d cells from lap %d", capacity, lap), func(t *testing.T) {
				rings, _ := aRing(t, 2, capacity, 8, lap)
				put, got := 0, 0
				for round := range 40 {
					for range 1 + round%capacity {
						if err := rings[0].TryPut(binary.LittleEndian.AppendUint64(nil, uint64(put))); err == nil {
							put++
						} else {
							require.ErrorIs(t, err, ErrFull)
							require.Equal(t, capacity, put-got)
						}
					}
					require.Equal(t, put-got, rings[1].Len())
					for range 1 + (round*7)%capacity {
						b, err := rings[1].TryGet(nil)
						if err != nil {
							require.ErrorIs(t, err, ErrEmpty)
							require.Equal(t, put, got)
							break
						}
						require.EqualValues(t, got, binary.LittleEndian.Uint64(b))
						got++
					}
				}
				require.NotZero(t, got)
			})
		}
	}
}

func TestRingFullAndEmpty(t *testing.T) {
	rings, _ := aRing(t, 2, 3, 16, 0)
	_, err := rings[0].TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
	for i := range 3 {
		mustPut(t, rings[0], fmt.Sprint(i))
	}
	require.ErrorIs(t, rings[0].TryPut(nil), ErrFull)
	require.Equal(t, 3, rings[1].Len())
	require.Equal(t, "Ring(3 of 3)", rings[1].String())
	for i := range 3 {
		require.Equal(t, fmt.Sprint(i), mustTake(t, rings[1]))
	}
	_, err = rings[1].TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
}

func TestRingMessagesOfEveryLength(t *testing.T) {
	rings, _ := aRing(t, 1, 2, 100, 0)
	for n := range 101 {
		msg := make([]byte, n)
		for i := range msg {
			msg[i] = byte(i + n)
		}
		require.NoError(t, rings[0].TryPut(msg))
		b, err := rings[0].TryGet([]byte("x"))
		require.NoError(t, err)
		require.Equal(t, "x"+string(msg), string(b))
	}
	require.ErrorIs(t, rings[0].TryPut(make([]byte, 101)), shm.ErrTooLarge)
	require.ErrorIs(t, rings[0].Put(t.Context(), make([]byte, 101)), shm.ErrTooLarge)
	require.Equal(t, 100, rings[0].Inline())
}

func TestRingOfMessagesWithoutBytes(t *testing.T) {
	rings, _ := aRing(t, 1, 2, 0, 0)
	mustPut(t, rings[0], "")
	require.ErrorIs(t, rings[0].TryPut([]byte{1}), shm.ErrTooLarge)
	require.Equal(t, "", mustTake(t, rings[0]))
}

func TestRingCapacityAndInlineOutOfRange(t *testing.T) {
	for _, c := range [][2]int{{0, 8}, {-1, 8}, {math.MinInt, 8}, {MaxRingCapacity + 1, 8}, {math.MaxInt, 8},
		{8, -1}, {8, MaxRingInline + 1}, {8, math.MaxInt}, {math.MaxInt, math.MaxInt}} {
		_, err := RingSize(c[0], c[1])
		require.Error(t, err, c)
		require.Error(t, InitRing(make([]byte, 1<<16), c[0], c[1]), c)
	}
	_, err := RingSize(MaxRingCapacity, 0)
	require.NoError(t, err)
	require.Error(t, InitRing(make([]byte, 4096), 1000, 8), "too little memory")
}

func TestRingGeometryIsNotTrusted(t *testing.T) {
	good := ringMemory(t, 4, 40)
	require.NoError(t, InitRing(good, 4, 40))
	open := func(mem []byte) error {
		_, err := OpenRing(newWorld(t).mate(), mem)
		return err
	}
	require.NoError(t, open(good))
	require.ErrorIs(t, open(nil), shm.ErrDamaged)
	require.ErrorIs(t, open(good[:len(good)-1]), shm.ErrDamaged)
	require.ErrorIs(t, open(make([]byte, 4096)), shm.ErrDamaged, "not made yet")
	rapid.Check(t, func(t *rapid.T) {
		mem := alignTo(make([]byte, len(good)+cellAlign), cellAlign)[:len(good)]
		copy(mem, good)
		word := rapid.IntRange(0, 3).Draw(t, "word")
		binary.LittleEndian.PutUint32(mem[4*word:], rapid.Uint32().Draw(t, "value"))
		if err := open(mem); err != nil {
			require.ErrorIs(t, err, shm.ErrDamaged)
		}
	})
}

// Whatever the words hold, nobody panics or reads beyond the ring. (-race and
// checkptr look at the addresses.)
func TestRingSurvivesHostileWords(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		capacity := rapid.IntRange(1, 5).Draw(rt, "capacity")
		mem := ringMemory(t, capacity, 40)
		require.NoError(rt, InitRing(mem, capacity, 40))
		r, err := OpenRing(newWorld(t).mate(), mem)
		require.NoError(rt, err)
		for range rapid.IntRange(0, 7).Draw(rt, "messages") {
			_ = r.TryPut([]byte("hello"))
		}
		word := rapid.SampledFrom([]int{128, 256, 384, 512, 640, 648, 704, 712}).Draw(rt, "word")
		if word < len(mem) {
			value := rapid.Uint64().Draw(rt, "value")
			binary.LittleEndian.PutUint64(mem[word:], value)
		}
		for range 8 {
			if b, err := r.TryGet(nil); err == nil {
				require.LessOrEqual(rt, len(b), 40)
			}
			_ = r.TryPut([]byte("world"))
			_ = r.Len()
			if _, odd := getQuickly(r, anytime, make([]byte, 5)); odd != nil {
				_, _ = odd.Bytes()
				odd.Release()
			}
			_ = putQuickly(r, anytime, []byte("quick"))
			if _, odd := r.GetManyQuick(make([]byte, 5*groupSize), 5, true); odd != nil {
				ReleaseBatch(odd)
			}
			_ = r.PutManyQuick(make([]byte, 5*groupSize), 5)
		}
	})
}

// scan has somebody look for messages of the dead, so that the quick ways need not.
func scan(t *testing.T, r *Ring) {
	_, err := r.TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
}

func TestRingQuickWaysDoWhatTheOthersDo(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 16, 63, 64, 65, 256} {
		rings, _ := aRing(t, 2, 2, n, firstLaps[2])
		a, b := rings[0], rings[1]
		scan(t, a)
		into := make([]byte, n)
		for lap := range byte(5) {
			first, second := bytes.Repeat([]byte{2 * lap}, n), bytes.Repeat([]byte{2*lap + 1}, n)
			require.True(t, putQuickly(a, anytime, first))
			mustPut(t, b, string(second))
			require.False(t, putQuickly(a, anytime, second), "it is full")
			ok, odd := getQuickly(b, anytime, into)
			require.Nil(t, odd)
			require.True(t, ok)
			require.Equal(t, first, into)
			require.Equal(t, string(second), mustTake(t, a))
			ok, odd = getQuickly(a, anytime, into)
			require.Nil(t, odd)
			require.False(t, ok, "it is empty")
		}
		require.False(t, putQuickly(a, anytime, make([]byte, n+1)), "it does not fit")
		require.NoError(t, b.Close())
		require.False(t, putQuickly(a, anytime, into))
		a.Detach()
		require.False(t, putQuickly(a, anytime, into))
		ok, odd := getQuickly(a, anytime, into)
		require.Nil(t, odd)
		require.False(t, ok)
	}
}

func TestRingQuickWaysKeepToShortMessages(t *testing.T) {
	rings, _ := aRing(t, 1, groupSize, mostQuick+1, 0)
	long := make([]byte, groupSize*(mostQuick+1))
	require.False(t, putQuickly(rings[0], anytime, long[:mostQuick+1]))
	require.Zero(t, rings[0].PutManyQuick(long, mostQuick+1))
	require.True(t, putQuickly(rings[0], anytime, long[:mostQuick]))
	for _, n := range []int{0, -1, math.MinInt} {
		require.Zero(t, rings[0].PutManyQuick(long, n))
		got, odd := rings[0].GetManyQuick(long, n, true)
		require.Zero(t, got)
		require.Empty(t, odd)
	}
}

func TestRingInBulkGoesByGroups(t *testing.T) {
	rings, _ := aRing(t, 2, 2*groupSize+1, 3, 0)
	scan(t, rings[0])
	var all []byte
	for i := range byte(3 * groupSize) {
		all = append(all, i, i, i)
	}
	require.Zero(t, rings[0].PutManyQuick(all[:3*groupSize-1], 3), "it is no group")
	require.Equal(t, 2*groupSize, rings[0].PutManyQuick(all, 3))
	require.Equal(t, 2*groupSize, rings[1].Len())
	into := make([]byte, len(all))
	n, odd := rings[1].GetManyQuick(into[:3*groupSize+1], 3, true)
	require.Empty(t, odd)
	require.Equal(t, groupSize, n)
	n, odd = rings[1].GetManyQuick(into[3*groupSize:], 3, true)
	require.Empty(t, odd)
	require.Equal(t, groupSize, n)
	require.Equal(t, all[:6*groupSize], into[:6*groupSize])
	require.Zero(t, rings[0].PutManyQuick(all, 3), "one cell is left before the end, and a group does not go beyond")
	require.NoError(t, rings[1].Close())
	require.Zero(t, rings[0].PutManyQuick(all, 3))
}

func TestRingMessageOfAnotherLengthIsTheTakers(t *testing.T) {
	rings, _ := aRing(t, 1, 2*groupSize, 8, 0)
	r, into := rings[0], make([]byte, 4*groupSize)
	scan(t, r)
	mustPut(t, r, "longer")
	mustPut(t, r, "four")
	ok, odd := getQuickly(r, anytime, into[:4])
	require.False(t, ok)
	b, err := odd.Bytes()
	require.NoError(t, err)
	require.Equal(t, "longer", string(b))
	require.Equal(t, 1, odd.Attempt())
	odd.Release()
	ok, odd = getQuickly(r, anytime, into[:4])
	require.Nil(t, odd)
	require.True(t, ok)
	require.Equal(t, "four", string(into[:4]))

	for range 6 { // to where a group may begin
		mustPut(t, r, "")
		require.Empty(t, mustTake(t, r))
	}
	for i := range groupSize {
		mustPut(t, r, []string{"good", "longer"}[i/(groupSize-1)])
	}
	n, group := r.GetManyQuick(into, 4, true)
	require.Zero(t, n)
	require.Len(t, group, groupSize)
	for i, taken := range group {
		b, err := taken.Bytes()
		require.NoError(t, err)
		require.Equal(t, []string{"good", "longer"}[i/(groupSize-1)], string(b))
	}
	ReleaseBatch(group)
	require.Zero(t, r.Len())
	require.True(t, putQuickly(r, anytime, into[:4]))
}

func TestRingLengthThatCannotBeIsReportedOnce(t *testing.T) {
	rings, _ := aRing(t, 1, 4, 40, 0)
	mustPut(t, rings[0], "bad")
	mustPut(t, rings[0], "good")
	rings[0].cells.Load().first.at(0).length = 41
	b, err := rings[0].TryGet(nil)
	require.ErrorIs(t, err, shm.ErrDamaged)
	require.Empty(t, b)
	require.Equal(t, "good", mustTake(t, rings[0]))
	require.Zero(t, rings[0].Len())
}

func TestRingClaimedCellHoldsUpLaterOnesUntilAborted(t *testing.T) {
	rings, _ := aRing(t, 2, 4, 8, 0)
	c, err := rings[0].TryClaim()
	require.NoError(t, err)
	mustPut(t, rings[0], "later")
	got := start(func() string { b, _ := rings[1].Get(within(t), nil); return string(b) })
	blocks(t, got)
	c.Abort()
	require.Equal(t, "later", ends(t, got))
	require.Zero(t, rings[0].Len())
}

// Nobody takes meanwhile, so head stays where it was.
func TestRingOfClaimsGivenUpForLapsIsEmpty(t *testing.T) {
	for _, capacity := range []int{1, 2, 3} {
		for _, lap := range firstLaps {
			for _, n := range []int{1, 2, 3, 4, 5, 9, 100} {
				rings, mates := aRing(t, 3, capacity, 8, lap)
				for i := range n {
					c, err := rings[0].TryClaim()
					require.NoError(t, err)
					if i < n-1 {
						c.Abort()
					}
				}
				mates[0].die() // with the last
				_, err := rings[1].TryGet(nil)
				require.ErrorIs(t, err, ErrEmpty)
				require.Zero(t, rings[1].Len())
				mustPut(t, rings[2], "a")
				require.Equal(t, "a", mustTake(t, rings[1]))
			}
		}
	}
}

func TestRingTakenCellHoldsUpNobodyForOneLap(t *testing.T) {
	rings, _ := aRing(t, 2, 3, 8, 0)
	for i := range 3 {
		mustPut(t, rings[0], fmt.Sprint(i))
	}
	held, err := rings[1].TryTake()
	require.NoError(t, err)
	require.Equal(t, "1", mustTake(t, rings[1]))
	require.Equal(t, "2", mustTake(t, rings[1]))
	require.ErrorIs(t, rings[0].TryPut(nil), ErrFull, "the place of the message that is held")
	_, err = rings[1].TryTake()
	require.ErrorIs(t, err, ErrEmpty)
	held.Release()
	mustPut(t, rings[0], "3")
	require.Equal(t, "3", mustTake(t, rings[1]))
}

func TestRingGetWaitsForPutAndPutForGet(t *testing.T) {
	rings, _ := aRing(t, 2, 1, 8, 0)
	got := start(func() string { b, _ := rings[1].Get(within(t), nil); return string(b) })
	blocks(t, got)
	mustPut(t, rings[0], "a")
	require.Equal(t, "a", ends(t, got))
	mustPut(t, rings[0], "b")
	put := start(func() error { return rings[0].Put(within(t), []byte("c")) })
	blocks(t, put)
	require.Equal(t, "b", mustTake(t, rings[1]))
	require.NoError(t, ends(t, put))
	require.Equal(t, "c", mustTake(t, rings[1]))
}

func TestRingWaitingEndsWithTheContext(t *testing.T) {
	rings, _ := aRing(t, 1, 1, 8, 0)
	ctx, cancel := context.WithCancel(t.Context())
	got := start(func() error { _, err := rings[0].Get(ctx, nil); return err })
	blocks(t, got)
	cancel()
	require.ErrorIs(t, ends(t, got), context.Canceled)
	require.ErrorIs(t, rings[0].Put(ctx, nil), context.Canceled, "cancelled before")
	require.Zero(t, rings[0].Len())
	mustPut(t, rings[0], "full")
	ctx, cancel = context.WithCancel(t.Context())
	put := start(func() error { return rings[0].Put(ctx, nil) })
	blocks(t, put)
	cancel()
	require.ErrorIs(t, ends(t, put), context.Canceled)
	require.Equal(t, 1, rings[0].Len())
}

func TestRingCloseDrainsAndWakesBothSides(t *testing.T) {
	rings, _ := aRing(t, 3, 2, 8, 0)
	mustPut(t, rings[0], "a")
	mustPut(t, rings[0], "b")
	put := start(func() error { return rings[0].Put(within(t), []byte("c")) })
	blocks(t, put)
	require.NoError(t, rings[1].Close())
	require.ErrorIs(t, ends(t, put), ErrClosed)
	require.ErrorIs(t, rings[0].TryPut(nil), ErrClosed)
	require.True(t, rings[0].Closed())
	require.Equal(t, "a", mustTake(t, rings[2]))
	require.Equal(t, "b", mustTake(t, rings[2]))
	_, err := rings[2].TryGet(nil)
	require.ErrorIs(t, err, ErrClosed)
	_, err = rings[2].Get(within(t), nil)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, rings[1].Close(), "again")

	rings, _ = aRing(t, 2, 2, 8, 0)
	got := start(func() error { _, err := rings[0].Get(within(t), nil); return err })
	blocks(t, got)
	require.NoError(t, rings[1].Close())
	require.ErrorIs(t, ends(t, got), ErrClosed)
}

func TestRingClosedWaitsForClaimedAndNotForTheDead(t *testing.T) {
	rings, mates := aRing(t, 3, 4, 8, 0)
	alive, err := rings[0].TryClaim()
	require.NoError(t, err)
	_, err = rings[1].TryClaim()
	require.NoError(t, err)
	require.NoError(t, rings[2].Close())
	got := start(func() string { b, _ := rings[2].Get(within(t), nil); return string(b) })
	blocks(t, got)
	copy(alive.Bytes(), "began before Close")
	alive.Commit(5)
	require.Equal(t, "began", ends(t, got))
	drained := start(func() error { _, err := rings[2].Get(within(t), nil); return err })
	blocks(t, drained)
	mates[1].die()
	require.ErrorIs(t, ends(t, drained), ErrClosed)
}

// A claim that saw the ring open, and Close and the drain come before its second
// look.
func TestRingClaimBesideCloseIsAborted(t *testing.T) {
	for _, lap := range firstLaps {
		rings, _ := aRing(t, 2, 2, 8, lap)
		c := rings[0].cells.Load()
		free := vacantAt(c.tail.Load(), c.shift)
		cell := c.at(c.tail.Load())
		require.NoError(t, rings[1].Close())
		_, err := rings[1].TryGet(nil)
		require.ErrorIs(t, err, ErrClosed)
		require.True(t, cell.state.CompareAndSwap(free, free|c.me|writing))
		_, err = rings[1].TryGet(nil)
		require.ErrorIs(t, err, ErrEmpty, "a claim in sight is waited for")
		Claimed{c, cell, free | c.me | writing}.Abort()
		_, err = rings[1].TryGet(nil)
		require.ErrorIs(t, err, ErrClosed)
	}
}

// Every put that returned nil is got, and nothing else, when Close comes amid
// traffic.
func TestRingCloseAmidTraffic(t *testing.T) {
	for range 50 {
		rings, _ := aRing(t, 4, 3, 8, 1<<30-3)
		var committed, got shared.Int64
		var all sync.WaitGroup
		for _, r := range rings[:2] {
			all.Go(func() {
				for r.Put(t.Context(), nil) == nil {
					committed.Add(1)
				}
			})
			all.Go(func() {
				for {
					if _, err := r.Get(t.Context(), nil); err != nil {
						require.ErrorIs(t, err, ErrClosed)
						return
					}
					got.Add(1)
				}
			})
		}
		for got.Load() < 100 {
			runtime.Gosched()
		}
		require.NoError(t, rings[3].Close())
		all.Wait()
		require.Equal(t, committed.Load(), got.Load())
	}
}

func TestRingDetachEndsTheViewOnly(t *testing.T) {
	rings, _ := aRing(t, 2, 1, 8, 0)
	got := start(func() error { _, err := rings[0].Get(within(t), nil); return err })
	blocks(t, got)
	rings[0].Detach()
	require.ErrorIs(t, ends(t, got), ErrClosed)
	require.ErrorIs(t, rings[0].TryPut([]byte("longer than it was")), ErrClosed)
	require.ErrorIs(t, rings[0].Put(within(t), nil), ErrClosed)
	_, err := rings[0].TryGet(nil)
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, rings[0].Len())
	require.True(t, rings[0].Closed())
	rings[0].Detach()
	mustPut(t, rings[1], "still")
	require.Equal(t, "still", mustTake(t, rings[1]))
}

func TestRingStoppedProducerIsWaitedFor(t *testing.T) {
	rings, mates := aRing(t, 3, 2, 8, 0)
	c, err := rings[0].TryClaim()
	require.NoError(t, err)
	mates[2].die() // another one: the epoch moves
	_, err = rings[1].TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
	mustPut(t, rings[1], "second")
	require.ErrorIs(t, rings[1].TryPut(nil), ErrFull)
	copy(c.Bytes(), "first")
	c.Commit(5)
	require.Equal(t, "first", mustTake(t, rings[1]))
	require.Equal(t, "second", mustTake(t, rings[1]))
}

// Several consumers die with several messages each; all come back, the rest in
// between is not lost, and nobody scans without need.
func TestRingMessagesOfTheDeadComeBack(t *testing.T) {
	for _, lap := range firstLaps {
		rings, mates := aRing(t, 4, 6, 8, lap)
		for i := range 6 {
			mustPut(t, rings[0], fmt.Sprint(i))
		}
		for i := range 4 {
			_, err := rings[1+i%2].TryTake()
			require.NoError(t, err)
		}
		alive, err := rings[3].TryTake()
		require.NoError(t, err)
		mates[1].die()
		var got []string
		got = append(got, mustTake(t, rings[3]), mustTake(t, rings[3]))
		mates[2].die()
		for range 3 {
			got = append(got, mustTake(t, rings[3]))
		}
		require.ElementsMatch(t, []string{"0", "1", "2", "3", "5"}, got)
		_, err = rings[3].TryGet(nil)
		require.ErrorIs(t, err, ErrEmpty)
		require.Equal(t, mates[0].Epoch().Load(), rings[0].cells.Load().scanned.Load())
		b, err := alive.Bytes()
		require.NoError(t, err)
		require.Equal(t, "4", string(b))
		alive.Release()
	}
}

// What a dead consumer had is in the ring and holds up producers until somebody takes
// it; so a ring that looks empty and takes nothing would hang all who trust its length.
func TestRingCountsTheMessagesOfTheDead(t *testing.T) {
	for _, lap := range firstLaps {
		rings, mates := aRing(t, 2, 3, 8, lap)
		for i := range 3 {
			mustPut(t, rings[0], fmt.Sprint(i))
		}
		require.True(t, rings[0].Full())
		_, err := rings[1].TryTake()
		require.NoError(t, err)
		require.Equal(t, "1", mustTake(t, rings[0]))
		require.Equal(t, "2", mustTake(t, rings[0]))
		require.Zero(t, rings[0].Len(), "a live consumer has the only message")
		require.True(t, rings[0].Full(), "its cell is the next one")
		require.ErrorIs(t, rings[0].TryPut(nil), ErrFull)
		mates[1].die()
		require.Equal(t, 1, rings[0].Len())
		require.True(t, rings[0].Full())
		require.Equal(t, "0", mustTake(t, rings[0]))
		require.Zero(t, rings[0].Len())
		require.False(t, rings[0].Full())
		mustPut(t, rings[0], "3")
		require.Equal(t, "3", mustTake(t, rings[0]))
	}
}

// The heir of a message dies too, and so does the one who looked for it.
func TestRingHeirsMayDie(t *testing.T) {
	rings, mates := aRing(t, 5, 2, 8, 0)
	mustPut(t, rings[0], "heirloom")
	for i := 1; i < 4; i++ {
		_, err := rings[i].TryTake()
		require.NoError(t, err)
		mates[i].die()
	}
	require.Equal(t, "heirloom", mustTake(t, rings[4]))
	_, err := rings[4].TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
}

// A consumer that sleeps gets the message of one that dies.
func TestRingDeathOfAConsumerWakesAnother(t *testing.T) {
	rings, mates := aRing(t, 3, 2, 8, 0)
	mustPut(t, rings[0], "a")
	_, err := rings[1].TryTake()
	require.NoError(t, err)
	got := start(func() string { b, _ := rings[2].Get(within(t), nil); return string(b) })
	blocks(t, got)
	mates[1].die()
	require.Equal(t, "a", ends(t, got))
}

// A step of an operation that a kill may follow, done by hand on the words.
type ringStep struct {
	name string
	do   func(r *Ring)
	lost bool // nothing was committed
}

// putSteps are the prefixes of a Put, each up to a shared step.
func putSteps() []ringStep {
	seize := func(r *Ring) Claimed {
		c := r.cells.Load()
		pos := c.tail.Load()
		cell, free := c.at(pos), vacantAt(pos, c.shift)
		if !cell.state.CompareAndSwap(free, free|c.me|writing) {
			panic("not vacant")
		}
		return Claimed{c, cell, free | c.me | writing}
	}
	advance := func(c Claimed) Claimed {
		pos := c.cells.tail.Load()
		c.cells.tail.CompareAndSwap(pos, c.cells.next(pos))
		return c
	}
	return []ringStep{
		{"before the claim", func(r *Ring) {}, true},
		{"after the claim", func(r *Ring) { seize(r) }, true},
		{"after moving tail", func(r *Ring) { advance(seize(r)) }, true},
		{"while filling", func(r *Ring) { copy(advance(seize(r)).Bytes(), "ga") }, true},
		{"after the commit", func(r *Ring) {
			c := advance(seize(r))
			copy(c.Bytes(), "victim")
			c.publish(6)
		}, false},
		{"after the wake-up", func(r *Ring) { _ = r.TryPut([]byte("victim")) }, false},
	}
}

func TestRingProducerKilledAfterEachStep(t *testing.T) {
	for _, step := range putSteps() {
		for _, lap := range firstLaps {
			for _, capacity := range []int{1, 2, 3} {
				t.Run(fmt.Sprintf("%s, %d cells, lap %d", step.name, capacity, lap), func(t *testing.T) {
					rings, mates := aRing(t, 3, capacity, 8, lap)
					got := start(func() string { b, _ := rings[2].Get(within(t), nil); return string(b) })
					blocks(t, got)
					step.do(rings[0])
					mates[0].die()
					if step.lost {
						require.NoError(t, rings[1].Put(within(t), []byte("next")))
						require.Equal(t, "next", ends(t, got))
					} else {
						require.Equal(t, "victim", ends(t, got))
					}
					for lap := range 3 { // the ring is whole
						for i := range capacity {
							mustPut(t, rings[1], fmt.Sprint(lap, i))
						}
						require.ErrorIs(t, rings[1].TryPut(nil), ErrFull)
						for i := range capacity {
							require.Equal(t, fmt.Sprint(lap, i), mustTake(t, rings[2]))
						}
					}
				})
			}
		}
	}
}

// takeSteps are the prefixes of a Get; lost means that the message was consumed.
func takeSteps() []ringStep {
	seize := func(r *Ring) Taken {
		c := r.cells.Load()
		pos := c.head.Load()
		cell, free := c.at(pos), vacantAt(pos, c.shift)
		if !cell.state.CompareAndSwap(free|ready, free|c.me|reading) {
			panic("not ready")
		}
		return Taken{cells: c, cell: cell, state: free | c.me | reading}
	}
	advance := func(t Taken) Taken {
		pos := t.cells.head.Load()
		t.cells.head.CompareAndSwap(pos, t.cells.next(pos))
		return t
	}
	return []ringStep{
		{"before taking", func(r *Ring) {}, false},
		{"after taking", func(r *Ring) { seize(r) }, false},
		{"after moving head", func(r *Ring) { advance(seize(r)) }, false},
		{"after the release", func(r *Ring) { advance(seize(r)).vacate(true) }, true},
		{"after the wake-up", func(r *Ring) { _, _ = r.TryGet(nil) }, true},
	}
}

func TestRingConsumerKilledAfterEachStep(t *testing.T) {
	for _, step := range takeSteps() {
		for _, lap := range firstLaps {
			for _, capacity := range []int{1, 2, 3} {
				t.Run(fmt.Sprintf("%s, %d cells, lap %d", step.name, capacity, lap), func(t *testing.T) {
					rings, mates := aRing(t, 3, capacity, 8, lap)
					for i := range capacity {
						mustPut(t, rings[1], fmt.Sprint(i))
					}
					put := start(func() error { return rings[1].Put(within(t), []byte("last")) })
					blocks(t, put)
					step.do(rings[0])
					mates[0].die()
					first := 0
					if step.lost {
						first = 1
					}
					for i := first; i < capacity; i++ {
						require.Equal(t, fmt.Sprint(i), mustTake(t, rings[2]))
					}
					require.NoError(t, ends(t, put))
					require.Equal(t, "last", mustTake(t, rings[2]))
					_, err := rings[2].TryGet(nil)
					require.ErrorIs(t, err, ErrEmpty)
				})
			}
		}
	}
}

// A full ring whose oldest cell is a dead producer's has room for its finder.
func TestRingProducerAbortsTheDeadBeforeItIsFull(t *testing.T) {
	rings, mates := aRing(t, 2, 1, 8, 1<<30-1)
	_, err := rings[0].TryClaim()
	require.NoError(t, err)
	require.ErrorIs(t, rings[1].TryPut(nil), ErrFull)
	mates[0].die()
	mustPut(t, rings[1], "x")
	require.Equal(t, "x", mustTake(t, rings[1]))
}

// Messages are committed in another order than claimed. The consumer woken for
// the second finds the first unfinished and sleeps again; when it is woken for the
// first, the other consumer must be woken for the second.
func TestRingCommitsOutOfOrderWakeAllTheyShould(t *testing.T) {
	rings, _ := aRing(t, 4, 4, 8, 0)
	first, err := rings[0].TryClaim()
	require.NoError(t, err)
	second, err := rings[1].TryClaim()
	require.NoError(t, err)
	a := start(func() error { _, err := rings[2].Take(within(t)); return err })
	b := start(func() error { _, err := rings[3].Take(within(t)); return err })
	blocks(t, a)
	blocks(t, b)
	second.Commit(0)
	blocks(t, a)
	blocks(t, b)
	first.Commit(0)
	require.NoError(t, ends(t, a))
	require.NoError(t, ends(t, b))
}

func TestRingReleasesOutOfOrderWakeAllTheyShould(t *testing.T) {
	rings, _ := aRing(t, 4, 2, 8, 0)
	mustPut(t, rings[0], "")
	mustPut(t, rings[0], "")
	first, err := rings[0].TryTake()
	require.NoError(t, err)
	second, err := rings[1].TryTake()
	require.NoError(t, err)
	a := start(func() error { _, err := rings[2].Claim(within(t)); return err })
	b := start(func() error { _, err := rings[3].Claim(within(t)); return err })
	blocks(t, a)
	blocks(t, b)
	second.Release()
	blocks(t, a)
	blocks(t, b)
	first.Release()
	require.NoError(t, ends(t, a))
	require.NoError(t, ends(t, b))
}

// Nobody is asked to wake those who do not sleep any more, and a doorbell that
// nobody waits at costs no system call.
func TestRingDoorbellIsQuietWhenNobodySleeps(t *testing.T) {
	rings, _ := aRing(t, 2, 4, 8, 0)
	bell := rings[0].cells.Load().puts
	bell.sleepers.Store(math.MaxUint32<<32 | math.MaxUint32) // counts go round
	require.False(t, bell.awaited())
	got := start(func() error { _, err := rings[1].Get(within(t), nil); return err })
	eventually(t, bell.awaited)
	blocks(t, got)
	mustPut(t, rings[0], "")
	require.NoError(t, ends(t, got))
	require.False(t, bell.awaited(), "the only sleeper has taken its announcement back")

	v := vigil{bell: bell} // one that is killed after announcing
	v.announce()
	require.True(t, bell.awaited())
	mustPut(t, rings[0], "")
	require.False(t, bell.awaited(), "the first waker found nobody")
}

func TestRingFastPathsDoNotAllocate(t *testing.T) {
	rings, _ := aRing(t, 1, 4, 64, 0)
	msg, buf := make([]byte, 64), make([]byte, 0, 64)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = rings[0].TryPut(msg)
		_, _ = rings[0].TryGet(buf)
		_ = rings[0].Put(ctx, msg)
		_, _ = rings[0].Get(ctx, buf)
		_ = putQuickly(rings[0], anytime, msg)
		_, _ = getQuickly(rings[0], anytime, msg)
	}))
}

// Simulated processes that put, get, and die at random between steps, over memory
// that the race detector sees. Afterwards every message whose Put returned was
// got exactly once.
func TestRingStormOfDeaths(t *testing.T) {
	for _, capacity := range []int{1, 3, 8} {
		for _, lap := range firstLaps {
			mem := ringMemory(t, capacity, 8)
			require.NoError(t, initRing(mem, capacity, 8, lap))
			stormOfDeaths(t, newWorld(t), mem)
		}
	}
}

// putEither puts a message quickly, if that is possible, every second time.
func putEither(t testing.TB, r *Ring, i int, msg []byte) error {
	if i%2 == 0 && putQuickly(r, anytime, msg) {
		return nil
	}
	return r.Put(t.Context(), msg)
}

// getEither gets a message of n bytes quickly, if that is possible, every second time.
func getEither(t testing.TB, r *Ring, i, n int) ([]byte, error) {
	if msg := make([]byte, n); i%2 == 0 {
		if ok, _ := getQuickly(r, anytime, msg); ok {
			return msg, nil
		}
	}
	return r.Get(t.Context(), nil)
}

func stormOfDeaths(t *testing.T, w *world, mem []byte) {
	const lives, each = 40, 30
	var mu sync.Mutex
	open := func() (*Ring, *mate) {
		mu.Lock()
		defer mu.Unlock()
		m := w.mate()
		r, err := OpenRing(m, mem)
		require.NoError(t, err)
		return r, m
	}
	var id, committed shared.Uint64
	var got sync.Map
	put := func() {
		r, m := open()
		for range each {
			if n := id.Add(1); putEither(t, r, int(n), binary.LittleEndian.AppendUint64(nil, n)) == nil {
				committed.Add(1)
			}
		}
		if _, err := r.TryClaim(); err == nil || errors.Is(err, ErrFull) {
			m.die() // half-way into a Put
		}
	}
	take := func() bool {
		r, m := open()
		for i := range each {
			b, err := getEither(t, r, i, 8)
			if err != nil {
				return false
			}
			_, twice := got.LoadOrStore(string(b), true)
			require.False(t, twice)
		}
		if _, err := r.TryTake(); err == nil || errors.Is(err, ErrEmpty) {
			m.die() // half-way into a Get
		}
		return true
	}
	var putters, takers sync.WaitGroup
	for range 2 {
		putters.Go(func() {
			for range lives {
				put()
			}
		})
		takers.Go(func() {
			for take() {
			}
		})
	}
	putters.Wait()
	r, _ := open()
	require.NoError(t, r.Close())
	takers.Wait()
	n := 0
	got.Range(func(any, any) bool { n++; return true })
	require.EqualValues(t, committed.Load(), n)
}

// Histories of a queue of strings; the state is its content.
var queueModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		content, put := state.(string), input.(string)
		if put != "" {
			return true, content + put
		}
		got := output.(string)
		return len(content) > 0 && content[:1] == got, content[min(1, len(content)):]
	},
	Equal: func(a, b any) bool { return a == b },
}

func TestRingIsLinearizable(t *testing.T) {
	for round := range 30 {
		rings, _ := aRing(t, 2, 1+round%4, 8, firstLaps[round%3])
		var clock shared.Int64
		var mu sync.Mutex
		var history []porcupine.Operation
		record := func(client int, input string, f func() string) {
			op := porcupine.Operation{ClientId: client, Input: input, Call: clock.Add(1)}
			op.Output = f()
			op.Return = clock.Add(1)
			mu.Lock()
			defer mu.Unlock()
			history = append(history, op)
		}
		var all sync.WaitGroup
		for i, r := range rings {
			all.Go(func() {
				for j := range 12 {
					s := string(rune('A' + 12*i + j))
					record(2*i, s, func() string { _ = putEither(t, r, j, []byte(s)); return "" })
				}
			})
			all.Go(func() {
				for j := range 12 {
					record(2*i+1, "", func() string { b, _ := getEither(t, r, j, 1); return string(b) })
				}
			})
		}
		all.Wait()
		require.True(t, porcupine.CheckOperations(queueModel, history))
	}
}

func BenchmarkRingPutGetAlone(b *testing.B) {
	rings, _ := aRing(b, 1, 1024, 64, 0)
	msg, buf := make([]byte, 64), make([]byte, 0, 64)
	for b.Loop() {
		_ = rings[0].Put(b.Context(), msg)
		_, _ = rings[0].Get(b.Context(), buf)
	}
}

func TestCellsAndMessagesDoNotOverlap(t *testing.T) {
	for _, capacity := range []uint64{1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000} {
		for _, inline := range []uint64{0, 1, 8, 47, 48, 49, 64, 65, 255, 256, 257, 496, 1000} {
			layout := layoutFor(capacity, inline)
			size, err := RingSize(int(capacity), int(inline))
			require.NoError(t, err)
			require.EqualValues(t, ringHeader+layout.size(capacity), size)
			owner := make([]int, layout.size(capacity))
			own := func(cell, from, n uint64) {
				for at := from; at < from+n; at++ {
					require.Zero(t, owner[at], "%d cells for %d bytes: cell %d", capacity, inline, cell)
					owner[at] = int(cell) + 1
				}
			}
			for i := range capacity {
				own(i, i*layout.stride, cellHeaderSize)
				own(i, layout.messages+i*layout.room, inline)
			}
			if layout.apart() {
				require.Zero(t, layout.messages%cellAlign, "messages begin a line")
			}
		}
	}
}

func TestMessagesOfAllCellsAreApart(t *testing.T) {
	for _, inline := range []int{48, 49, 64, 100, 256, 257} { // the bounds of the layouts
		for _, capacity := range []int{1, 5, 8, 17} {
			rings, _ := aRing(t, 2, capacity, inline, 0)
			for lap := range 3 {
				for i := range capacity {
					require.NoError(t, rings[0].TryPut(bytes.Repeat([]byte{byte(lap*capacity + i)}, inline)))
				}
				for i := range capacity {
					got, err := rings[1].TryGet(nil)
					require.NoError(t, err)
					require.Equal(t, bytes.Repeat([]byte{byte(lap*capacity + i)}, inline), got)
				}
			}
		}
	}
}
