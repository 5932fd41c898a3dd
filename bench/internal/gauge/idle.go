package gauge

import (
	"time"

	"github.com/mpgo/mp/bench/internal/cpu"
	"github.com/mpgo/mp/bench/internal/side"
)

// Idle is the CPU time that processes use together, as a part of the time that
// passes.
func Idle(budget time.Duration, processes ...int) side.Sample {
	LetWait()
	begin, used := time.Now(), totalUsed(processes)
	time.Sleep(max(budget, 200*time.Millisecond))
	used = totalUsed(processes) - used
	return side.Sample{Figure: float64(used) / float64(time.Since(begin)), Count: len(processes)}
}

func totalUsed(processes []int) (ns int64) {
	for _, pid := range processes {
		ns += cpu.Used(pid)
	}
	return ns
}
