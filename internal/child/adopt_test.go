package child

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANumberOfFilesThatCannotBeIsNone(t *testing.T) {
	for _, marker := range []string{"", "2", "x:m", "-1:m", ":m", "99999999999999999999:m", "1048577:m"} {
		files, rest := splitMarker(marker)
		require.Zero(t, files, marker)
		require.Equal(t, marker, rest, "left as it is, so that it is refused")
	}
	files, rest := splitMarker("2:7:ab:cd")
	require.Equal(t, 2, files)
	require.Equal(t, "7:ab:cd", rest)
}

// Whatever is in the environment, the child does not close or make files without end.
func FuzzSplitMarker(f *testing.F) {
	for _, marker := range []string{"0:5:00:00", "-1:m", "1048576:m", "1048577:m", "+3:m", "0x10:m", "9223372036854775808:m"} {
		f.Add(marker)
	}
	f.Fuzz(func(t *testing.T, marker string) {
		files, rest := splitMarker(marker)
		require.LessOrEqual(t, files, maxFiles)
		require.GreaterOrEqual(t, files, 0)
		if rest != marker {
			again, same := splitMarker(fmt.Sprintf("%d:%s", files, rest))
			require.Equal(t, files, again)
			require.Equal(t, rest, same)
			require.True(t, strings.HasSuffix(marker, ":"+rest))
		}
	})
}
