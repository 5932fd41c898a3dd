package cpu

import (
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Now is a time in nanoseconds on the clock that all processes of the machine share. It
// takes no system call, as in the C program; the first one in a process sets it.
func Now() int64 {
	e := epoch()
	return e.shared + int64(time.Since(e.own))
}

// An instant is one moment on the clock of package time and on the shared one. Both are
// the same clock of the kernel's; package time does not say from when on it counts.
type instant struct {
	own    time.Time
	shared int64
}

// epoch is known to half of the time in which both clocks could be read, at best.
var epoch = sync.OnceValue(func() (best instant) {
	least := time.Duration(math.MaxInt64)
	for range 50 {
		own := time.Now()
		shared := clock(unix.CLOCK_MONOTONIC)
		if took := time.Since(own); took < least {
			least, best = took, instant{own, shared - int64(took/2)}
		}
	}
	return best
})

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
