package shm

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A parent that expects the end of its child leaves the proof to itself, as its caller:
// its guardian does nothing about the mark. Everybody else proves the death as ever.
func TestAnExpectedDeathIsTheParentsToTell(t *testing.T) {
	a := newArena(t, 4<<20)
	p := start(t, a, "block", "-")
	require.Equal(t, "ready", p.line(t))
	a.Expect(p.self)
	p.kill(t)
	lookNow(a)
	require.True(t, a.Alive(p.self), "nobody has told")
	a.Bury(p.self)
	require.False(t, a.Alive(p.self))
	require.Empty(t, a.suspects.now, "nothing is remembered of the dead")

	p = start(t, a, "block", "-")
	require.Equal(t, "ready", p.line(t))
	a.Expect(p.self)
	q := start(t, a, "mourn", fmt.Sprint(uint32(p.self)))
	require.Equal(t, "ready", q.line(t))
	p.kill(t)
	require.Equal(t, "gone", q.line(t), "its sibling has found out")
	a.Bury(p.self)
	q.kill(t)
	a.Bury(q.self)
	requireClean(t, a, 0)
}
