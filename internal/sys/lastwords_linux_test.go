package sys_test

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

func init() {
	scripts["crash"] = func(p *testkit.Peer) {
		crash := os.NewFile(3, "crash")
		if err := debug.SetCrashOutput(crash, debug.CrashOptions{}); err != nil {
			panic(err)
		}
		sys.KeepLastWords()
		noise, err := strconv.Atoi(p.Hear())
		if err != nil {
			panic(err)
		}
		for range noise {
			print("x")
		}
		debug.SetMaxStack(1 << 16)
		p.Say(deeper(noise))
	}
}

// deeper needs more stack than there is.
func deeper(n int) int {
	if n < 0 {
		return 0
	}
	return deeper(n+1) + n
}

// What the runtime printed last is in the crash file, to the last byte and in order,
// wherever it is in the ring of 512.
func TestTheLastWordsAreInTheCrashFile(t *testing.T) {
	for _, noise := range []int{0, 1, 100, 300, 400, 511, 512, 513, 2000} {
		stderr, crash := tempFile(t), tempFile(t)
		cmd := testkit.Command("crash")
		cmd.ExtraFiles = []*os.File{crash}
		cmd.Stderr = stderr
		c := testkit.Begin(t, cmd)
		c.Say(noise)
		require.Error(t, c.Wait())
		said, told := textOf(t, stderr), textOf(t, crash)
		require.True(t, strings.HasSuffix(said, told), "noise %d: nothing is changed, and nothing twice", noise)
		before := strings.Index(said, "\ngoroutine ")
		require.GreaterOrEqual(t, len(told), len(said)-before, "and more than debug.SetCrashOutput's")
		require.Contains(t, told, "goroutine stack exceeds 65536-byte limit")
		require.Contains(t, told, "fatal error: stack overflow")
	}
}

func tempFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func textOf(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	return string(text)
}
