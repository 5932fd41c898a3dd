package sys

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls that a kernel, or a sandbox, may lack; for ForbidSyscalls.
const (
	SysMemfdCreate   uintptr = unix.SYS_MEMFD_CREATE
	SysFutexWaitV    uintptr = unix.SYS_FUTEX_WAITV
	SysSetRobustList uintptr = unix.SYS_SET_ROBUST_LIST
	SysPidfdOpen     uintptr = unix.SYS_PIDFD_OPEN
	SysMembarrier    uintptr = unix.SYS_MEMBARRIER
)

// ForbidSyscalls makes system calls fail with errno from now on, in this process
// and in all it starts: tests see how their code does on a poorer kernel. There
// is no way back.
func ForbidSyscalls(errno syscall.Errno, nrs ...uintptr) error {
	if len(nrs) > 200 {
		return fmt.Errorf("sys: cannot forbid %d system calls: %w", len(nrs), unix.EINVAL)
	}
	runtime.LockOSThread() // the two calls must be of one thread
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("sys: prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	filter := forbidding(errno, nrs)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// SAFETY: the kernel copies the program, whose length is right, in the call.
	tid, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if e != 0 {
		return fmt.Errorf("sys: seccomp: %w", e)
	}
	if tid != 0 {
		return fmt.Errorf("sys: seccomp: thread %d has a filter of its own", tid)
	}
	return nil
}

// forbidding is a program of the classic BPF machine: it loads the system call's
// number, which is at 0 of struct seccomp_data, and jumps to the refusal for
// each of nrs.
func forbidding(errno syscall.Errno, nrs []uintptr) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		result = unix.BPF_RET | unix.BPF_K
	)
	filter := []unix.SockFilter{{Code: load, K: 0}}
	for i, nr := range nrs {
		toRefusal := uint8(len(nrs) - i)
		filter = append(filter, unix.SockFilter{Code: equal, Jt: toRefusal, K: uint32(nr)})
	}
	return append(filter,
		unix.SockFilter{Code: result, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: result, K: unix.SECCOMP_RET_ERRNO | uint32(errno)&unix.SECCOMP_RET_DATA})
}
