package sys

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LimitData limits how many bytes of private memory this process may have beyond
// what it has now, for ever (RLIMIT_DATA). What is shared does not count. Programs
// that it executes have the same limit, without what this one has now.
//
// What a Go program has at its start is mostly address space that the runtime has
// mapped for its tables and will never touch, about 100 MB, and the limit counts
// address space.
func LimitData(bytes int64) error {
	limit := uint64(dataNow() + bytes)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("sys: a limit of %d bytes of memory: %w", bytes, err)
	}
	return nil
}

// dataNow is what this process has of what RLIMIT_DATA limits, in bytes; 0 if it
// cannot be known, which is without /proc.
func dataNow() int64 {
	text, _ := os.ReadFile("/proc/self/statm") // size resident shared text lib data dt, in pages
	fields := strings.Fields(string(text))
	if len(fields) < 6 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[5], 10, 64)
	return pages * int64(os.Getpagesize())
}
