//go:build explore

package explore

import (
	"slices"
	"time"
)

// tick is how much time passes at a time: more than anything waits for that knows
// of the clock.
const tick = 100 * time.Millisecond

// A timer calls f at some time, as a thread of its process.
type timer struct {
	at    time.Duration
	f     func()
	owner *thread
}

// Now is the time of the exploration, which passes only where the model says so.
func Now() time.Duration {
	t, x := current(), running
	x.steady(t)
	return x.clock
}

// steady is the step of a thread that depends on the time.
func (x *Execution) steady(t *thread) {
	if x.over {
		panic(abandoned{})
	}
	if x.search.model.Ticks > 0 {
		x.step(t, operation{kind: Load})
	}
	x.log(t.name)
	t.learn(uint64(x.clock)) // every step must change what a thread knows: see key
}

// AfterFunc calls f as a thread of its own when the time has passed. The result
// calls it off.
func AfterFunc(d time.Duration, f func()) (stop func() bool) {
	t, x := current(), running
	x.steady(t)
	due := &timer{x.clock + d, f, t}
	x.timers = append(x.timers, due)
	return func() bool {
		i := slices.Index(x.timers, due)
		if i >= 0 {
			x.timers = slices.Delete(x.timers, i, i+1)
		}
		return i >= 0
	}
}

// pass lets time pass.
func (x *Execution) pass() {
	x.clock += tick
	for _, due := range slices.Clone(x.timers) {
		if due.at > x.clock {
			continue
		}
		x.timers = slices.DeleteFunc(x.timers, func(t *timer) bool { return t == due })
		if !due.owner.killed {
			x.environment(due.owner, due.f)
		}
	}
}
