package succession

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
)

func TestMain(m *testing.M) {
	mp.Init()
	os.Exit(m.Run())
}

// try runs a trial for a kind that is wrong here, and right in the other processes.
func try(t *testing.T, limit time.Duration, k Kind) (violations []string, printed string) {
	t.Helper()
	var stdout bytes.Buffer
	sum, err := Run(context.Background(), Options{Kills: 2, Kinds: []Kind{k}, Seed: 1, Limit: limit}, &stdout)
	require.NoError(t, err)
	require.Empty(t, mp.ActiveChildren())
	require.Zero(t, mp.MemoryStats(), "what was violated leaves nothing, either")
	return sum.Violations, stdout.String()
}

func TestACountThatDoesNotBalanceIsAViolation(t *testing.T) {
	k, _ := kindOf("Mutex")
	k.check = func(context.Context, props) error { return errors.New("one too many") }
	violations, printed := try(t, time.Minute, k)
	require.Equal(t, []string{"Mutex: at the end: one too many"}, violations)
	require.Regexp(t, `Mutex .*VIOLATED`, printed)
	require.Contains(t, printed, "1 violations")
}

func TestAHangIsAViolation(t *testing.T) {
	k, _ := kindOf("Semaphore")
	k.mourn = nil // nobody releases for the dead
	violations, _ := try(t, 10*time.Second, k)
	require.Len(t, violations, 1)
	require.Contains(t, violations[0], "Semaphore: round 1: nobody goes on for 10s")
	require.Contains(t, violations[0], "the heir says nothing")
}

func TestAVictimThatEndsByItselfIsAViolation(t *testing.T) {
	k, _ := kindOf("Mutex")
	k.name = "No such object"
	violations, _ := try(t, time.Minute, k)
	require.Len(t, violations, 1)
	require.Contains(t, violations[0], `there is no object "No such object"`)
}
