package ipc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lullOf is how long a lull is after many of them, between which so much is passed.
func lullOf(passed, step, room uint64) time.Duration {
	ns := int64(maxLull)
	for range 64 {
		ns = lullAfter(ns, passed, step, room)
	}
	return time.Duration(ns)
}

func TestThereIsNoLullWhereEachMessageIsAnswered(t *testing.T) {
	require.Zero(t, lullOf(1, 1, 1024))
	require.Zero(t, lullOf(64, 64, 0), "a stream")
}

func TestALullIsAsLongAsTheFlowIsWorth(t *testing.T) {
	require.Equal(t, maxLull, lullOf(2, 1, 1024))
	require.Equal(t, maxLull, lullOf(flowMany-1, 1, 1024))
	require.Equal(t, flowLull, lullOf(flowMany, 1, 1024))
	require.Equal(t, maxLull, lullOf(1<<20, 64, 0), "a stream")
}

func TestALullDoesNotLastUntilTheRingIsFull(t *testing.T) {
	require.Zero(t, lullOf(1, 1, 1))
	require.Zero(t, lullOf(33, 1, 64))
	require.Equal(t, maxLull, lullOf(32, 1, 64))
}

func TestThereIsOneLullAtAPosition(t *testing.T) {
	var l lull
	l.pass(10, 1, 1024)
	was := l.ns.Load()
	require.False(t, l.pass(10, 1, 1024))
	require.Equal(t, was, l.ns.Load())
}
