package ipc

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// onLateChains runs a test with growing rings the numbers of whose segments go round soon:
// as cells and stamps have them, and as the chain has them.
func onLateChains(t *testing.T, test func(t *testing.T, rings []*Ring, mates []*mate, land deed)) {
	for name, number := range map[string]uint32{"laps": 1<<30 - 3, "numbers": 1<<32 - 3} {
		t.Run(name, func(t *testing.T) {
			rings, mates, land := aChainFrom(t, number, 4, 2, 4)
			require.Equal(t, number, newest(rings[0]).number)
			test(t, rings, mates, land)
		})
	}
}

// newest is the last segment that a view knows.
func newest(r *Ring) *segment {
	list := *r.chain.list.Load()
	return list[len(list)-1]
}

func TestTheSegmentsOfAGrowingRingGoRound(t *testing.T) {
	onLateChains(t, func(t *testing.T, rings []*Ring, _ []*mate, land deed) {
		for i := range 500 {
			mustPut(t, rings[0], fmt.Sprint(i))
		}
		require.Equal(t, 500, rings[1].Len())
		for i := range 500 {
			require.Equal(t, fmt.Sprint(i), mustTake(t, rings[1]))
		}
		for i := range 500 { // one segment after the other
			mustPut(t, rings[2], fmt.Sprint(i))
			require.Equal(t, fmt.Sprint(i), mustTake(t, rings[0]))
		}
		require.Zero(t, rings[3].Len())
		require.Less(t, newest(rings[0]).lap(), uint64(1000), "they have gone round")
		require.LessOrEqual(t, land.segments(), 3)
		require.NoError(t, rings[3].Close())
		for _, r := range rings {
			_, err := r.TryGet(nil)
			require.ErrorIs(t, err, ErrClosed)
		}
	})
}

// Whoever takes over a lease of the dead frees its cell, whatever the number of its segment.
func TestALeaseFromASegmentThatGoesRoundIsDeliveredOnce(t *testing.T) {
	onLateChains(t, func(t *testing.T, rings []*Ring, mates []*mate, _ deed) {
		last := 30
		for i := range last + 1 {
			mustPut(t, rings[0], fmt.Sprint(i))
			if i < last {
				require.Equal(t, fmt.Sprint(i), mustTake(t, rings[1]))
			}
		}
		require.Less(t, newest(rings[1]).lap(), uint64(last), "they have gone round")
		requireTakenOverOnce(t, rings, mates, fmt.Sprint(last))
	})
}
