// Package cpu is about where processes run.
package cpu

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pin has all threads of this process run on one CPU from now on, and gives the Go
// scheduler as many processors as it would have had if the process had been
// started there: one. A negative cpu changes nothing.
//
// It is called when everything else is started: a child has its parent's CPUs, and
// a library that looks how many there are before it spins must see them all.
func Pin(cpu int) error {
	if cpu < 0 {
		return nil
	}
	runtime.GOMAXPROCS(1)
	pinned := make(map[int]bool)
	for { // again for threads that others started meanwhile
		before := len(pinned)
		if err := pinThreads(cpu, pinned); err != nil {
			return fmt.Errorf("cannot run on CPU %d only: %w", cpu, err)
		}
		if len(pinned) == before {
			return nil
		}
	}
}

func pinThreads(cpu int, pinned map[int]bool) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var set unix.CPUSet
	set.Set(cpu)
	for _, entry := range threads {
		id, err := strconv.Atoi(entry.Name())
		if err != nil || pinned[id] {
			continue
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH {
			return err
		}
		pinned[id] = true
	}
	return nil
}
