package child

import "syscall"

// attributes: when the parent dies the kernel continues the child, in case it is
// stopped. Everything else about the parent's death the child does itself, told
// by its life pipe, so that the registered function sees its context end.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGCONT}
}
