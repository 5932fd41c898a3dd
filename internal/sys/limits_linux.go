package sys

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// NumCPU is the number of CPUs this process may use: those it is bound to, or as
// many as its control groups give it time for, whichever is less. At least 1.
func NumCPU() int {
	n := runtime.NumCPU() // at the start of the process; more than 1024 CPUs
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) == nil {
		n = set.Count()
	}
	if quota, ok := findCgroups("/").cpus(); ok {
		n = min(n, int(math.Ceil(quota)))
	}
	return max(1, n)
}

// MemAvailable is how many bytes can be had without swapping and without being
// killed for it: of the machine and of the control groups whichever is less.
// False if neither is known.
//
// The kernel does not refuse shared memory beyond a control group's limit: it
// kills. So one has to ask first.
func MemAvailable() (int64, bool) {
	machine, known := machineMemory("/proc/meminfo")
	group, limited := findCgroups("/").memory()
	switch {
	case known && limited:
		return min(machine, group), true
	case limited:
		return group, true
	default:
		return machine, known
	}
}

// OOMKills is how many processes the kernel has killed so far for want of memory:
// in this process's control group and those below, or on the machine if it has
// none. 0 if unknown.
func OOMKills() int64 {
	if n, ok := findCgroups("/").oomKills(); ok {
		return n
	}
	return stat("/proc", "vmstat", "oom_kill")
}

// machineMemory finds the line "MemAvailable:    1234 kB".
func machineMemory(file string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "MemAvailable:" && f[2] == "kB" {
			kB, err := strconv.ParseInt(f[1], 10, 64)
			return kB << 10, err == nil
		}
	}
	return 0, false
}
