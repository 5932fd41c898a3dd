package mp

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counting yields n results.
func counting(n int) func(func(int, error) bool) {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func TestOnlyATerminalGetsABar(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{Output: &out, Total: 3}
	n := 0
	for range Track(p, counting(3)) {
		n++
		_, err := p.Write([]byte("a message\n"))
		require.NoError(t, err)
	}
	require.Equal(t, 3, n)
	require.Equal(t, strings.Repeat("a message\n", 3), out.String(), "ten seconds have not passed")
}

func TestMessagesAppearAboveTheBar(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{Output: &out, bar: true, Line: func(ProgressState) string { return "working" }}
	for range Track(p, counting(3)) {
		_, err := p.Write([]byte("a message\n"))
		require.NoError(t, err)
		break
	}
	require.Regexp(t, `^(\rworking\x1b\[K)+\r\x1b\[Ka message\n[^\n]*$`, out.String())
}

func TestTheBarIsTakenAwayAtTheEnd(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{Output: &out, bar: true}
	for range Track(p, counting(0)) {
	}
	require.True(t, strings.HasPrefix(out.String(), "\r0  0.0/s\x1b[K"), "%q", out.String())
	require.True(t, strings.HasSuffix(out.String(), "\r\x1b[K"))
}

func TestALineEveryNowAndThenTellsHowFarItIs(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{Output: &out, Total: 4, begin: time.Now().Add(-time.Second)}
	p.step()
	p.tick()
	require.Regexp(t, `^\[###\.{12}\]  25% 1/4  [01]\.\d/s  [34]s left\n$`, out.String())
}

func TestTheUsualLineFitsIntoEightyColumns(t *testing.T) {
	s := ProgressState{
		Done: 1_000_000, Total: 2_000_000, Rate: 1234567.8, Left: time.Hour,
		Pool: PoolStats{Workers: 255, Busy: 255},
	}
	require.Less(t, len(s.String()), 80, s.String())
	require.Equal(t, "7  3.5/s  1 of 2 busy  3 died",
		ProgressState{Done: 7, Rate: 3.5, Pool: PoolStats{Workers: 2, Busy: 1, Died: 3}}.String())
}

func TestProgressOfAPool(t *testing.T) {
	var out bytes.Buffer
	pool := newLocalPool(t, 2)
	p := &Progress{Output: &out, Pool: pool, Total: 100, bar: true}
	sum := 0
	for v, err := range Track(p, square.MapSeq(t.Context(), pool, slices.Values(make([]int, 100)))) {
		require.NoError(t, err)
		sum += v
	}
	require.Zero(t, sum)
	require.Contains(t, out.String(), "of 2 busy")
}

func TestFilesAndTheNullDeviceAreNoTerminals(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer func() { _ = null.Close() }()
	require.False(t, isTerminal(null))
	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.False(t, isTerminal(file))
	require.False(t, isTerminal(new(bytes.Buffer)))
}
