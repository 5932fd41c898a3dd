//go:build amd64 || arm64

package spin

// Pause tells the CPU n times that this is a spin loop: it saves power, lets the
// other hardware thread of the core go ahead, and does not guess that the loop
// goes on. One takes 1 to 50 ns. The goroutine cannot be preempted meanwhile:
// keep n below a thousand and look at the time between.
func Pause(n int)
