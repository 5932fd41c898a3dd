// Package spin is about waiting for another CPU without going to sleep: for what
// takes less time than the kernel needs to put a thread to sleep and wake it.
package spin

import (
	"sync"

	"github.com/mpgo/mp/internal/explore"
	"github.com/mpgo/mp/internal/sys"
)

// Worthwhile reports whether another CPU can be at work while this one spins.
// With a single one, spinning only keeps the other process from running. A process
// that is bound to one CPU spins as well: the others may be bound to others.
// In an exploration nothing is: there, others run only when one stops.
func Worthwhile() bool { return severalCPUs() && !explore.Running() }

var severalCPUs = sync.OnceValue(func() bool { return sys.PeerCPUs() > 1 })
