package sys

import (
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

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

// PeerCPUs is the number of CPUs on which processes like this one run at a time: those
// of the machine that its control groups allow, or as many as they give it time for,
// whichever is less; but not only those that this process is bound to, for the others
// may be bound to others. At least 1.
func PeerCPUs() int { return peerCPUs("/") }

// peerCPUs looks below root, which is "/" but in tests.
func peerCPUs(root string) int {
	groups := findCgroups(root)
	n, ok := groups.cpuset()
	if online, err := os.ReadFile(path.Join(root, "sys/devices/system/cpu/online")); err == nil && !ok {
		n, ok = cpuList(string(online))
	}
	if !ok {
		n = NumCPU()
	}
	if quota, ok := groups.cpus(); ok {
		n = min(n, int(math.Ceil(quota)))
	}
	return max(1, n)
}

// cpuList counts the CPUs of a list such as "0-3,8".
func cpuList(list string) (n int, ok bool) {
	for span := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		from, to, isSpan := strings.Cut(span, "-")
		first, err := strconv.Atoi(from)
		last := first
		if isSpan && err == nil {
			last, err = strconv.Atoi(to)
		}
		if err != nil || last < first {
			return 0, false
		}
		n += last - first + 1
	}
	return n, true
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

// believed is what MemAvailable said, and for how much and how long it is believed.
var believed struct {
	mu    sync.Mutex
	bytes int64
	until time.Time
}

// What is asked for is compared with an eighth of what was available a moment ago:
// whatever others do in such a time takes less than the rest.
const (
	believedShare = 8
	believedFor   = 100 * time.Millisecond
)

// EnoughMemory reports whether n more bytes can be had, and if not, how many can. It
// asks MemAvailable, which reads several files and takes longer than all else about a
// large block, only when much is asked for or a while has passed.
func EnoughMemory(n int64) (have int64, enough bool) {
	believed.mu.Lock()
	defer believed.mu.Unlock()
	if n <= believed.bytes && time.Now().Before(believed.until) {
		believed.bytes -= n
		return 0, true
	}
	have, known := MemAvailable()
	if !known {
		return 0, true
	}
	believed.bytes, believed.until = have/believedShare-n, time.Now().Add(believedFor)
	return have, n <= have
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
