package shm

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/sys"
)

// lies are what somebody may write over a life word, of a living process.
func lies(truth uint32) map[string]uint32 {
	return map[string]uint32{
		"nothing":                    0,
		"a mark":                     truth | lifeDied,
		"another thread":             truth + 1,
		"another thread with a mark": truth + 1 | lifeDied,
		"garbage":                    0x1badcafe,
	}
}

// Whatever is in a process's life word, it is alive as long as it is. Its guardian
// sets the word right, so that its death is noticed by others than its parent.
func TestAGarbledLifeWordProvesNothing(t *testing.T) {
	a := newArena(t, 4<<20)
	p := start(t, a, "block", "-")
	require.Equal(t, "ready", p.line(t))
	q := start(t, a, "mourn", fmt.Sprint(uint32(p.self)))
	require.Equal(t, "ready", q.line(t))
	life := &a.slots[p.self.Slot()].life
	truth := life.Load()
	require.NotZero(t, truth)
	blind(a, p.self) // what happens is its sibling's affair

	epoch := a.Epoch().Load()
	for name, lie := range lies(truth) {
		life.Store(lie)
		lookNow(a)
		require.True(t, a.Alive(p.self), name)
		for life.Load() != truth { // its guardian finds it when it looks around, and so do the others
			_ = futex.Wait([]sys.Futex{{Word: life, Val: lie}}, sys.Monotonic()+int64(lookSoon)/10)
			lookNow(a) // it may have looked just before the lie
		}
		require.True(t, a.Alive(p.self), name)
		require.Equal(t, epoch, a.Epoch().Load(), name)
	}

	p.kill(t)
	require.Equal(t, "gone", q.line(t))
	a.Bury(p.self)
	q.kill(t)
	a.Bury(q.self)
	requireClean(t, a, 0)
}

// One whose mark is missing, since its life word was garbled to the end, is known to
// be dead by its parent.
func TestADeathWithoutAMarkIsKnownByTheParent(t *testing.T) {
	a := newArena(t, 4<<20)
	p := start(t, a, "block", "-")
	require.Equal(t, "ready", p.line(t))
	require.NoError(t, p.Signal(syscall.SIGSTOP)) // its guardian sets nothing right
	require.True(t, p.awaitStop(nil))
	life := &a.slots[p.self.Slot()].life
	life.Store(0x0badcafe)
	p.kill(t)
	require.Equal(t, uint32(0x0badcafe), life.Load(), "the kernel has left no mark")
	require.True(t, a.Alive(p.self), "and nobody has asked")
	a.Bury(p.self) // as whoever waits for a child does
	require.False(t, a.Alive(p.self))
	requireClean(t, a, 0)
}
