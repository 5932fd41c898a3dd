package ipc

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func readThreads(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(entries)
}

// cpuTime is what all threads of a process that it still has have used, to the nanosecond:
// the ticks of /proc/PID/stat are two numbers, each of which is rounded by itself.
func cpuTime(t testing.TB, pid int) (used time.Duration) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	require.NoError(t, err)
	require.NotEmpty(t, tasks)
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		require.NoError(t, err)
		var ns time.Duration
		_, err = fmt.Sscan(string(text), &ns)
		require.NoError(t, err)
		used += ns
	}
	return used
}
