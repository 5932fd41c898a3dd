package ipc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func readThreads(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(entries)
}

// cpuTicks is the CPU time that a process has used, in hundredths of a second.
func cpuTicks(t testing.TB, pid int) (n int) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	for _, f := range fields[11:13] { // utime, stime: proc(5)
		ticks, err := strconv.Atoi(f)
		require.NoError(t, err)
		n += ticks
	}
	return n
}
