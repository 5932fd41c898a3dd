package sys

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetThreadNice sets the priority of the calling thread, -20 (first) to 19 (last).
// A program that the thread starts has it, too. Only the privileged can go down
// again.
func SetThreadNice(n int) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, n); err != nil { // 0 is the thread, on Linux
		return fmt.Errorf("sys: nice value %d: %w", n, err)
	}
	return nil
}

// SetThreadCPUs binds the calling thread to CPUs, by their numbers. A program that
// the thread starts is bound, too.
func SetThreadCPUs(cpus []int) error {
	var set unix.CPUSet
	for _, n := range cpus {
		set.Set(n) // numbers that are too large are no CPUs of this machine, either
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("sys: CPUs %v: %w", cpus, err)
	}
	return nil
}
