package cpu

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Usable lists the CPUs that this process may use, those first that have a core of
// their own: two threads of one core would be measured as faster neighbours and
// slower workers than two cores are.
func Usable() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return make([]int, min(runtime.NumCPU(), 1))
	}
	var first, second []int
	cores := make(map[string]bool)
	for cpu := 0; len(first)+len(second) < set.Count(); cpu++ {
		if !set.IsSet(cpu) {
			continue
		}
		if core := coreOf(cpu); !cores[core] {
			cores[core] = true
			first = append(first, cpu)
		} else {
			second = append(second, cpu)
		}
	}
	return append(first, second...)
}

// coreOf names the core that a CPU is a thread of.
func coreOf(cpu int) string {
	text, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu))
	if err != nil {
		return fmt.Sprint(cpu)
	}
	return strings.TrimSpace(string(text))
}
