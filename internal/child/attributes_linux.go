package child

import "syscall"

// attributes: when the parent dies the kernel continues the child, in case it is
// stopped. Everything else about the parent's death the child does itself, told
// by its life line, so that the registered function sees its context end.
//
// A detached child has nothing to do with its parent's death, nor with the signals
// of its terminal.
func attributes(detached bool) *syscall.SysProcAttr {
	if detached {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGCONT}
}
