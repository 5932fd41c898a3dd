package ipc

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// In an ordinary build Places tell goroutines apart: else nobody would ever have a favour, and
// nobody would notice.
func TestPlacesTellGoroutinesApart(t *testing.T) {
	if !releaseIsCheaper {
		t.Skip("no favours on " + runtime.GOARCH + ", or in this build")
	}
	if info, ok := debug.ReadBuildInfo(); ok && slices.ContainsFunc(info.Settings, isCompilerFlag) {
		t.Skip("built with flags of the compiler")
	}
	require.True(t, onTheStack())
	require.True(t, inlines())
}

func isCompilerFlag(s debug.BuildSetting) bool { return s.Key == "-gcflags" }
