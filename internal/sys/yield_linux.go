package sys

import "golang.org/x/sys/unix"

// Yield lets others run that want this CPU, for a while.
func Yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
