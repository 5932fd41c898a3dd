package sys

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// aPipe is a pipe of the system, and the reading end as what Readable is asked of.
func aPipe(t *testing.T) (in, out *os.File, raw syscall.RawConn) {
	t.Helper()
	in, out, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { in.Close(); out.Close() })
	raw, err = in.SyscallConn()
	require.NoError(t, err)
	return in, out, raw
}

func TestReadableTellsOfBytesAndEnds(t *testing.T) {
	in, out, raw := aPipe(t)
	is := func(want bool) {
		t.Helper()
		ready, err := Readable(raw)
		require.NoError(t, err)
		require.Equal(t, want, ready)
	}
	is(false)
	_, err := out.Write([]byte{1})
	require.NoError(t, err)
	is(true)
	require.NoError(t, AwaitReadable(raw))
	_, err = in.Read(make([]byte, 1))
	require.NoError(t, err)
	is(false)
	require.NoError(t, out.Close())
	is(true)
	require.NoError(t, in.Close())
	_, err = Readable(raw)
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestALookoutSeesTheFirstThatIsReadable(t *testing.T) {
	for wanted := range 3 {
		t.Run("", func(t *testing.T) {
			testkit.LeakCheck(t)
			var raws []syscall.RawConn
			var outs []*os.File
			for range 3 {
				_, out, raw := aPipe(t)
				raws, outs = append(raws, raw, raw), append(outs, out) // twice
			}
			l, err := NewLookout(raws)
			require.NoError(t, err)
			defer l.Close()
			seen := make(chan error, 1)
			go func() { seen <- l.Await() }()
			_, err = outs[wanted].Write([]byte{1})
			require.NoError(t, err)
			require.NoError(t, <-seen)
			require.NoError(t, l.Await(), "as long as it is")
		})
	}
}

func TestAClosedLookoutEnds(t *testing.T) {
	testkit.LeakCheck(t)
	_, _, raw := aPipe(t)
	l, err := NewLookout([]syscall.RawConn{raw})
	require.NoError(t, err)
	seen := make(chan error, 1)
	go func() { seen <- l.Await() }()
	l.Close()
	require.Error(t, <-seen)
}

func TestOneLocksAFile(t *testing.T) {
	path := t.TempDir() + "/lock"
	first, err := os.Create(path)
	require.NoError(t, err)
	second, err := os.Open(path)
	require.NoError(t, err)
	for _, step := range []struct {
		f    *os.File
		want bool
	}{{first, true}, {first, true}, {second, false}} {
		locked, err := TryLockFile(step.f)
		require.NoError(t, err)
		require.Equal(t, step.want, locked)
	}
	require.NoError(t, first.Close())
	locked, err := TryLockFile(second)
	require.NoError(t, err)
	require.True(t, locked)
	require.NoError(t, second.Close())
}
