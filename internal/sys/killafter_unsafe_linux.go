package sys

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A sigevent says how the kernel tells of a timer (struct sigevent of
// asm-generic/siginfo.h, 64-bit systems).
type sigevent struct {
	value  uint64
	signal int32
	notify int32
	_      [48]byte
}

const notifyBySignal = 0 // SIGEV_SIGNAL

// KillAfter has the kernel kill this process when d is over. That needs nothing of
// this process any more: neither a thread nor a turn of a goroutine, for which a
// goroutine that computes and computes may leave no CPU in time. It cannot be undone.
func KillAfter(d time.Duration) error {
	event := sigevent{signal: int32(unix.SIGKILL), notify: notifyBySignal}
	var timer int32
	// SAFETY: the kernel reads a struct sigevent and writes a timer_t, an int, before it
	// returns; both are variables of this function and as large.
	_, _, errno := unix.RawSyscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer)))
	if errno != 0 {
		return fmt.Errorf("sys: timer_create: %w", errno)
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 1))} // 0 would disarm it
	// SAFETY: the kernel reads a struct itimerspec, which at is, before it returns.
	_, _, errno = unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&at)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("sys: timer_settime: %w", errno)
	}
	return nil
}
