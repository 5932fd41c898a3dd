package ipc

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// groupRing has room for two groups and for some cells that are in none.
const groupRing = 2*groupSize + 3

// claimGroup claims a group, and fills it with messages of its members' numbers. The hint
// is moved only if asked.
func claimGroup(t *testing.T, r *Ring, move bool) []Claimed {
	c := r.cells.Load()
	claims := make([]Claimed, groupSize)
	pos := c.tail.Load()
	require.Equal(t, groupSize, c.claimFrom(pos, claims))
	if move {
		moveOn(c.tail, c.after(pos, claims[0].state))
	}
	for i, claimed := range claims {
		claimed.Fill(copy(claimed.Bytes(), fmt.Sprint(i)))
	}
	return claims
}

// takeGroup takes a group.
func takeGroup(t *testing.T, r *Ring, move bool) []Taken {
	c := r.cells.Load()
	taken := make([]Taken, groupSize)
	pos := c.head.Load()
	require.Equal(t, groupSize, c.takeFrom(pos, taken))
	if move {
		moveOn(c.head, c.after(pos, taken[0].state))
	}
	return taken
}

// requireWhole requires that the ring is empty and can be filled, and emptied again.
func requireWhole(t *testing.T, put, get *Ring) {
	_, err := get.TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
	for i := range groupRing {
		mustPut(t, put, fmt.Sprint(i))
	}
	require.ErrorIs(t, put.TryPut(nil), ErrFull)
	for i := range groupRing {
		require.Equal(t, fmt.Sprint(i), mustTake(t, get))
	}
}

// eachKill calls test for a process that is killed before it has moved the hint, and
// when it has given back 0 to groupSize cells of its group, in all kinds of laps.
func eachKill(t *testing.T, test func(t *testing.T, rings []*Ring, mates []*mate, given int, moved bool)) {
	for _, lap := range firstLaps {
		for given := -1; given <= groupSize; given++ {
			rings, mates := aRing(t, 3, groupRing, 8, lap)
			for range 2 { // not where the ring begins
				mustPut(t, rings[1], "before")
				require.Equal(t, "before", mustTake(t, rings[2]))
			}
			test(t, rings, mates, max(given, 0), given >= 0)
		}
	}
}

func TestGroupOfAKilledProducerIsThereAsAWholeOrNotAtAll(t *testing.T) {
	eachKill(t, func(t *testing.T, rings []*Ring, mates []*mate, given int, moved bool) {
		claims := claimGroup(t, rings[0], moved)
		for i := range given {
			c := claims[groupSize-1-i]
			c.cell.give(c.state&lapMask|ready, false)
		}
		mustPut(t, rings[1], "behind")
		if given < groupSize {
			_, err := rings[2].TryGet(nil)
			require.ErrorIs(t, err, ErrEmpty, "the producer lives")
		}
		mates[0].die()
		if given == groupSize {
			for i := range groupSize {
				require.Equal(t, fmt.Sprint(i), mustTake(t, rings[2]))
			}
		}
		require.Equal(t, "behind", mustTake(t, rings[2]))
		requireWhole(t, rings[1], rings[2])
	})
}

func TestNobodyWaitsForMessagesOfADeadProducersGroup(t *testing.T) {
	eachKill(t, func(t *testing.T, rings []*Ring, mates []*mate, given int, _ bool) {
		claims := claimGroup(t, rings[0], true)
		for i := range given {
			c := claims[groupSize-1-i]
			c.cell.give(c.state&lapMask|ready, false)
		}
		var look census
		idle, err := look.idle(rings[2])
		require.NoError(t, err)
		require.False(t, idle, "the producer lives")
		mates[0].die()
		idle, err = look.idle(rings[2])
		require.NoError(t, err)
		require.Equal(t, given < groupSize, idle)
	})
}

func TestGroupOfAKilledConsumerIsDeliveredAgain(t *testing.T) {
	eachKill(t, func(t *testing.T, rings []*Ring, mates []*mate, given int, moved bool) {
		for i := range groupSize + 1 {
			mustPut(t, rings[1], fmt.Sprint(i))
		}
		taken := takeGroup(t, rings[0], moved)
		for i := range given {
			taken[groupSize-1-i].vacate(false)
		}
		require.Equal(t, fmt.Sprint(groupSize), mustTake(t, rings[2]), "the consumer lives")
		mates[0].die()
		require.Equal(t, groupSize-given, rings[2].Len())
		for i := range groupSize - given {
			again, err := rings[1+i%2].TryTake()
			require.NoError(t, err)
			require.Equal(t, 2, again.Attempt())
			msg, err := again.consume(nil)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), string(msg))
		}
		requireWhole(t, rings[1], rings[2])
	})
}

func TestWhatIsLeftOfABatchIsAborted(t *testing.T) {
	rings, _ := aRing(t, 2, groupRing, 8, 0)
	for committed := range groupRing + 1 {
		claims := make([]Claimed, groupRing)
		n, err := rings[0].TryClaimBatch(claims)
		require.NoError(t, err)
		require.Equal(t, groupRing, n)
		for i, c := range claims[:committed] {
			c.Fill(copy(c.Bytes(), fmt.Sprint(i)))
		}
		CommitBatch(claims, committed)
		for i := range committed {
			require.Equal(t, fmt.Sprint(i), mustTake(t, rings[1]))
		}
		requireWhole(t, rings[0], rings[1])
	}
}

// The cells remember the attempts at the messages before, which the dead had taken.
func TestMessagesPutInBulkWereNeverTaken(t *testing.T) {
	rings, mates := aRing(t, 3, groupSize, 8, 0)
	all := make([]byte, 8*groupSize)
	require.Equal(t, groupSize, rings[1].PutManyQuick(all, 8))
	takeGroup(t, rings[0], true)
	mates[0].die()
	for _, attempt := range []int{2, 1} {
		for range groupSize {
			taken, err := rings[2].TryTake()
			require.NoError(t, err)
			require.Equal(t, attempt, taken.Attempt())
			taken.Release()
		}
		require.Equal(t, groupSize, rings[1].PutManyQuick(all, 8))
	}
}

// A group is there, or of one length, only if each of its cells is.
func TestABulkEndsBeforeTheFirstGroupThatIsNotWhole(t *testing.T) {
	rings, _ := aRing(t, 1, 2*groupSize, 8, 0)
	c := rings[0].cells.Load()
	all := make([]byte, 2*groupSize*8)
	for i := range uint64(2 * groupSize) {
		cell, whole := c.cell(i), int(i)/groupSize
		for _, other := range []uint64{ready, writing, lapUnit, ^uint64(0)} {
			cell.state.Store(other)
			b := c.bulk(0, vacant, 2)
			require.Equal(t, whole, b.n, "cell %d is %#x", i, other)
			cell.state.Store(vacant)
		}
	}
	require.Equal(t, 2*groupSize, rings[0].PutManyQuick(all, 8))
	for i := range uint64(2 * groupSize) {
		cell, whole := c.cell(i), int(i)/groupSize
		for _, other := range []uint32{0, 7, 9, 1 << 31} {
			cell.length = other
			b := c.bulk(0, ready, 2)
			require.Equal(t, 2, b.n)
			require.Equal(t, whole, b.alike(8), "cell %d has %d bytes", i, other)
			cell.length = 8
		}
	}
}

func TestABulkIsOfOneLap(t *testing.T) {
	rings, _ := aRing(t, 1, groupRing, 8, 0)
	c := rings[0].cells.Load()
	for pos := range c.mask + 1 {
		b := c.bulk(pos, vacant, bulkGroups)
		require.Equal(t, max(groupRing-int(pos), 0)/groupSize, b.n, "from %d on", pos)
	}
	next := c.bulk(c.mask+1, vacant, bulkGroups)
	require.Zero(t, next.n, "nothing is vacant for the next lap")
	b := c.bulk(3, vacant, bulkGroups)
	require.Equal(t, c.mask+1, b.end(), "the next lap begins behind the indexes that have no cell")
}

// All messages of a bulk are copied at once where they leave no gaps.
func TestBulksKeepEveryByteOfTheirMessages(t *testing.T) {
	for _, n := range []int{8, 48, 63, 64, 65, 128, 256} {
		rings, _ := aRing(t, 2, groupRing, n, 0)
		scan(t, rings[1])
		all, into := make([]byte, 2*groupSize*n), make([]byte, 2*groupSize*n)
		for lap := range 5 {
			for i := range all {
				all[i] = byte(i*7 + i/n + lap)
			}
			clear(into)
			put := rings[0].PutManyQuick(all, n)
			require.NotZero(t, put)
			got, odd := rings[1].GetManyQuick(into, n, false)
			require.Empty(t, odd)
			require.Equal(t, put, got)
			require.Equal(t, all[:put*n], into[:put*n], "messages of %d bytes", n)
			for rings[0].cells.Load().tail.Load()&rings[0].cells.Load().mask >= groupRing-groupSize {
				mustPut(t, rings[0], "x") // to where the next lap begins
				require.Equal(t, "x", mustTake(t, rings[1]))
			}
		}
	}
}
