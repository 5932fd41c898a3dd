package result

// Apart is how far the machine's CPUs were from each other before and after a side was
// measured: the time from core to core and back in ns. It is 0 where there is one CPU.
type Apart struct{ Before, After float64 }

// steady is how many times longer the way may be at one time than at another while the CPUs are
// where they were. Where a hypervisor moves them it becomes 2 to 10 times as long, or as short.
const steady = 1.5

// alike reports whether all was measured with the CPUs at the same distance, as far as can be
// told from before and after.
func alike(all ...Apart) bool {
	low, high := all[0].Before, all[0].Before
	for _, a := range all {
		low, high = min(low, a.Before, a.After), max(high, a.Before, a.After)
	}
	return high <= steady*low
}
