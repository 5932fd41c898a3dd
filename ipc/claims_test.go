package ipc

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClaimsAreInOrderAndOnce(t *testing.T) {
	for _, first := range []uint32{0, 7, math.MaxUint32 - 2} { // numbers go round
		var c Claims
		c.Reopen(first)
		for i := range uint32(5) {
			require.Equal(t, first+i, c.Next())
			require.True(t, c.Claim(first+i))
			require.False(t, c.Claim(first+i))
		}
	}
}

func TestWhatWasTakenBackCannotBeClaimed(t *testing.T) {
	var c Claims
	c.Reopen(10)
	require.True(t, c.Claim(10))
	require.Equal(t, uint32(13), c.TakeBack(2))
	require.Equal(t, uint32(13), c.TakeBack(5), "what was taken back stays so")
	require.Equal(t, uint32(12), c.TakeBack(1))
	require.True(t, c.Claim(11))
	require.False(t, c.Claim(12))
	c.Reopen(20)
	require.False(t, c.Claim(12), "it is void for ever")
	require.False(t, c.Claim(19))
	require.True(t, c.Claim(20))
}

// Each task is begun by the taker, or taken back by the giver, whatever their order.
func TestEachTaskIsBegunOrTakenBack(t *testing.T) {
	const rounds, tasks = 2000, 20
	var c Claims
	next := uint32(math.MaxUint32 - rounds*tasks/2)
	c.Reopen(next)
	for range rounds {
		begun := 0
		var taker sync.WaitGroup
		taker.Go(func() {
			for i := range uint32(tasks) {
				if c.Claim(next + i) {
					begun++
				}
			}
		})
		for range rand.IntN(3) {
			c.Next()
		}
		from := c.TakeBack(uint32(rand.IntN(tasks)))
		taker.Wait()
		back := max(int(int32(next+tasks-from)), 0)
		require.Equal(t, tasks, begun+back)
		next += tasks
		c.Reopen(next)
	}
}
