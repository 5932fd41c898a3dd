package mp

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two goroutines take turns by a Cond.
func TestCondTakesTurnsWithinAProcess(t *testing.T) {
	m, err := NewMutex()
	require.NoError(t, err)
	c, err := NewCond(m)
	require.NoError(t, err)
	takeTurns(t, m, c)
}

func TestACondOfNoLockHasOneOfItsOwn(t *testing.T) {
	endEmpty(t)
	c, err := NewCond(nil)
	require.NoError(t, err)
	takeTurns(t, c.Mutex(), c)
	require.NoError(t, c.Free())
}

func takeTurns(t *testing.T, m *Mutex, c *Cond) {
	t.Helper()
	ctx := t.Context()
	n := 0
	var all sync.WaitGroup
	for mine := range 2 {
		all.Go(func() {
			require.NoError(t, m.Lock(ctx))
			for range 100 {
				require.NoError(t, c.WaitFor(ctx, func() bool { return n%2 == mine }))
				n++
				require.NoError(t, c.NotifyAll())
			}
			require.NoError(t, m.Unlock())
		})
	}
	all.Wait()
	require.Equal(t, 200, n)
}
