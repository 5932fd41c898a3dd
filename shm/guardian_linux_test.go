package shm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
)

// How long a guardian sleeps, at most, follows from what it found and whether
// anything has woken it since it looked before.
func TestAGuardianLooksSoonAfterAChangeAndRarelyWithoutOne(t *testing.T) {
	for name, c := range map[string]struct {
		found neighbours
		woken bool
		in    time.Duration // 0: never
	}{
		"alone":                   {noneThere, false, 0},
		"alone since just now":    {noneThere, true, 0},
		"something has changed":   {allQuiet, true, lookSoon},
		"nothing has changed":     {allQuiet, false, lookLater},
		"somebody may have died":  {someMarked, false, lookSoon},
		"… and something woke it": {someMarked, true, lookSoon},
	} {
		before := sys.Monotonic()
		at := nextLook(c.found, c.woken)
		after := sys.Monotonic()
		if c.in == 0 {
			require.Zero(t, at, name)
			continue
		}
		require.GreaterOrEqual(t, at, before+int64(c.in), name)
		require.LessOrEqual(t, at, after+int64(c.in), name)
	}
}
