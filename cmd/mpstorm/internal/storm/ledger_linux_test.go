package storm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALedgerTellsWhatIsOdd(t *testing.T) {
	l, err := newLedger()
	require.NoError(t, err)
	defer l.Free()
	for _, marks := range [][]int64{
		{put, got},      // all is well
		{got},           // its producer was killed after Put, and before it could say so
		{refused},       // there was no room
		{},              // its producer was killed in Put
		{put},           // lost
		{put, got, got}, // there twice
		{refused, got},  // a ghost
	} {
		n, ok := number(l, 1, 0)
		require.True(t, ok)
		for _, m := range marks {
			require.True(t, mark(l, n, m))
		}
	}
	require.True(t, mark(l, 100, got), "nobody put that")
	store(l, used, 100)

	a := sumUp(l)
	require.Equal(t, account{lost: 1, twice: 1, ghosts: 2, vague: 2, first: a.first}, a)
	require.Equal(t, "; the first is message 5: begun 1, refused 0, put 1, got 0", a.first)
	require.ErrorContains(t, a.check(1, 1, 2), "2 that were not put")
	a.ghosts = 0
	require.NoError(t, a.check(1, 1, 2))
	require.Error(t, a.check(0, 1, 2))
	require.Error(t, a.check(1, 0, 2))
	require.Error(t, a.check(1, 1, 1))
	require.False(t, mark(l, 0, got))
	require.False(t, mark(l, entries+1, got))
}

func TestALedgerComesToItsEnd(t *testing.T) {
	l, err := newLedger()
	require.NoError(t, err)
	defer l.Free()
	store(l, used, entries-reserve)
	_, ok := number(l, 1, reserve)
	require.False(t, ok, "the rest is the captain's")
	n, ok := number(l, 1, 0)
	require.True(t, ok)
	require.EqualValues(t, entries-reserve+1, n)
}
