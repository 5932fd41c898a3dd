package sys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Gettid is the kernel's number of the calling thread.
func Gettid() int { return unix.Gettid() }

// Monotonic is the time of CLOCK_MONOTONIC in nanoseconds, the same in all
// processes of the machine: the time of futex deadlines.
func Monotonic() int64 {
	var ts unix.Timespec
	// It can only fail for a clock that does not exist.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// StartTime is when the process pid was started, in clock ticks since the
// machine was: with the pid it names a process once and for all. Where there is
// no such process, or no /proc, it is fs.ErrNotExist.
func StartTime(pid int) (uint64, error) {
	name := "/proc/" + strconv.Itoa(pid) + "/stat"
	stat, err := os.ReadFile(name)
	if errors.Is(err, unix.ESRCH) { // it ended between open and read
		return 0, fmt.Errorf("sys: %s: %w", name, os.ErrNotExist)
	}
	if err != nil {
		return 0, fmt.Errorf("sys: start time of process %d: %w", pid, err)
	}
	started, err := parseStartTime(stat)
	if err != nil {
		return 0, fmt.Errorf("sys: %s: %w", name, err)
	}
	return started, nil
}

// parseStartTime finds field 22 of a stat line. The second field is the
// command's name in parentheses, and may hold spaces and parentheses itself.
func parseStartTime(stat []byte) (uint64, error) {
	const startTime, afterName = 22, 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= startTime-afterName {
		return 0, errors.New("too few fields")
	}
	return strconv.ParseUint(string(fields[startTime-afterName]), 10, 64)
}

// PidNamespace names the space in which this process's pids mean something; 0 if
// unknown, which is without /proc.
func PidNamespace() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil {
		return 0
	}
	return st.Ino
}
