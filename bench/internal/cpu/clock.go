package cpu

import "golang.org/x/sys/unix"

// Now is a time in nanoseconds on the clock that all processes of the machine
// share. It costs a system call; within a process, package time is cheaper.
func Now() int64 { return clock(unix.CLOCK_MONOTONIC) }

// Used is the CPU time, in nanoseconds, that a process has used until now; 0 if it
// is gone.
func Used(pid int) int64 {
	return clock(int32(^pid)<<3 | 2) // CPUCLOCK_SCHED of a process: include/linux/posix-timers.h
}

func clock(id int32) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0
	}
	return t.Nano()
}
