package ipc

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func readThreads(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(entries)
}
