package shm

import (
	"fmt"
	"runtime"
	"testing"
	"time"

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
	requireForgotten(t, a, p.self)

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

// requireForgotten checks that nothing is remembered of the dead. The guardian may have
// come upon the slot just before the burial was over, and has to find that it was late.
func requireForgotten(t testing.TB, a *Arena, i Incarnation) {
	t.Helper()
	for deadline := time.Now().Add(hangs); !a.suspects.begin(i); runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "%v is remembered after its burial", i)
	}
	a.suspects.end(i)
}
