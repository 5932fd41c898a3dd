package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mpgo/mp/internal/shared"
)

// From include/uapi/linux/futex.h; golang.org/x/sys has none of them. Nothing
// here is ever FUTEX_PRIVATE: a private sleeper is not found by other processes.
const (
	futexWake       = 1
	futexWaitBitset = 9          // like FUTEX_WAIT, but the deadline is absolute
	matchAny        = 0xffffffff // FUTEX_BITSET_MATCH_ANY: FUTEX_WAKE wakes it
	futex2SizeU32   = 2          // FUTEX2_SIZE_U32
)

// FutexWait sleeps until somebody wakes w, if w holds val. It returns nil
// whenever it is worth looking again: after a wake, because w holds something
// else, after a signal. Past the deadline, in nanoseconds of Monotonic, it
// returns os.ErrDeadlineExceeded; 0 is no deadline.
//
// The goroutine keeps its thread while it sleeps.
func FutexWait(w *shared.Uint32, val uint32, deadline int64) error {
	var ts unix.Timespec
	// SAFETY: w is alive and does not move, or is the memory of another's mapping;
	// ts is read before the call sleeps. Syscall6 and not RawSyscall6: the runtime
	// must know that this goroutine sleeps, or a garbage collection waits for it.
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWaitBitset,
		uintptr(val), uintptr(unsafe.Pointer(timespec(&ts, deadline))), 0, matchAny)
	return waitResult(errno)
}

// FutexWake wakes up to n of those who sleep on w, in any process, and returns
// how many there were.
func FutexWake(w *shared.Uint32, n int) int {
	n = max(0, min(n, 1<<31-1))
	// SAFETY: w is alive and does not move. The kernel only uses its address. The
	// call does not sleep, so that RawSyscall6 may keep the runtime out of it.
	woken, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWake,
		uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(woken)
}

// waiter is struct futex_waitv.
type waiter struct {
	val      uint64
	addr     uint64
	flags    uint32
	reserved uint32
}

var errNoWaitV = fmt.Errorf("sys: futex_waitv, which Linux has since 5.16: %w", errors.ErrUnsupported)

// fewFutexes is what most callers need; the array for more is not worth zeroing.
const fewFutexes = 8

// FutexWaitV is FutexWait on up to MaxFutexes words at a time: it sleeps if all
// of them hold their values. Linux before 5.16 cannot, nor can some sandboxes:
// errors.ErrUnsupported. It allocates nothing.
func FutexWaitV(ws []Futex, deadline int64) error {
	if len(ws) <= fewFutexes {
		var list [fewFutexes]waiter
		return waitV(list[:], ws, deadline)
	}
	if len(ws) <= MaxFutexes {
		var list [MaxFutexes]waiter
		return waitV(list[:], ws, deadline)
	}
	return fmt.Errorf("sys: futex_waitv of %d words: %w", len(ws), unix.EINVAL)
}

func waitV(list []waiter, ws []Futex, deadline int64) error {
	for i, w := range ws {
		pin(w.Word)
		// SAFETY: the word is not on a goroutine's stack, see pin: it does not move.
		// It is kept alive until after the call.
		list[i] = waiter{val: uint64(w.Val), addr: uint64(uintptr(unsafe.Pointer(w.Word))), flags: futex2SizeU32}
	}
	var ts unix.Timespec
	// SAFETY: list has at least len(ws) entries; list and ts are on this stack,
	// which does not move during a system call.
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&list[0])), uintptr(len(ws)),
		0, uintptr(unsafe.Pointer(timespec(&ts, deadline))), unix.CLOCK_MONOTONIC, 0)
	runtime.KeepAlive(ws)
	if errno == unix.ENOSYS || errno == unix.EPERM {
		return errNoWaitV
	}
	return waitResult(errno)
}

// never is never true, which the compiler does not know.
var (
	never  bool
	pinned atomic.Pointer[shared.Uint32]
)

// pin makes the compiler put w on the heap, if it would be on a stack: stacks
// move, and an address that waits in an array of integers would not follow.
func pin(w *shared.Uint32) {
	if never {
		pinned.Store(w)
	}
}

// timespec is nil for no deadline, else it fills ts.
func timespec(ts *unix.Timespec, deadline int64) *unix.Timespec {
	if deadline == 0 {
		return nil
	}
	*ts = unix.NsecToTimespec(max(deadline, 0))
	return ts
}

func waitResult(errno unix.Errno) error {
	switch errno {
	case 0, unix.EAGAIN, unix.EINTR:
		return nil
	case unix.ETIMEDOUT:
		return os.ErrDeadlineExceeded
	default:
		return fmt.Errorf("sys: futex wait: %w", errno)
	}
}
