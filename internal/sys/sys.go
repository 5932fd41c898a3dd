// Package sys is the only door of this module to the kernel: nobody else imports
// golang.org/x/sys. It gives Go types and Go errors to what Linux has: sealed
// memory files, futexes, robust lists, pidfds, CPU and memory limits.
//
// Every function exists on every platform. Where the platform lacks what it
// needs, it returns an error that is errors.ErrUnsupported.
//
// Errors of the kernel stay visible to errors.Is, as syscall.Errno values and as
// what those stand for (fs.ErrPermission, fs.ErrNotExist, …).
package sys

import "github.com/mpgo/mp/internal/shared"

// A Futex is a word to sleep on, and the value it had when the sleeper decided
// to sleep: where Word holds something else, there is nothing to wait for.
//
// The word may lie in memory that several processes share, or on the Go heap.
type Futex struct {
	Word *shared.Uint32
	Val  uint32
}

// MaxFutexes is the number of words one FutexWaitV can sleep on
// (FUTEX_WAITV_MAX in include/uapi/linux/futex.h).
const MaxFutexes = 128
