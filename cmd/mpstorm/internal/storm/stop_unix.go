//go:build unix

package storm

import (
	"syscall"

	"github.com/mpgo/mp"
)

// stop stops a process until goOn.
func stop(p *mp.Process) error { return p.Signal(syscall.SIGSTOP) }

// goOn lets a stopped process go on.
func goOn(p *mp.Process) error { return p.Signal(syscall.SIGCONT) }
