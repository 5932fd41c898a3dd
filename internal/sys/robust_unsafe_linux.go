package sys

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SetRobustList tells the kernel of the calling thread's robust list: a struct
// robust_list_head of n bytes at head. When the thread ends, in whatever way,
// the kernel marks the futex words of the list's nodes and wakes one sleeper of
// each. The memory must stay mapped for as long as the thread lives, and the
// goroutine must stay locked to the thread.
func SetRobustList(head unsafe.Pointer, n uintptr) error {
	// SAFETY: the kernel only notes the address, and reads there when the thread
	// ends; a bad address ends that reading without harm.
	_, _, errno := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, uintptr(head), n, 0)
	if errno != 0 {
		return fmt.Errorf("sys: set_robust_list: %w", errno)
	}
	return nil
}
