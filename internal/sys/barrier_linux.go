package sys

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// From include/uapi/linux/membarrier.h.
const (
	membarrierGlobalExpedited         = 1 << 1
	membarrierRegisterGlobalExpedited = 1 << 2
)

// RegisterBarrier makes the process one that Barrier reaches, and finds out
// whether it can call Barrier itself. Where it cannot (Linux before 4.16, some
// sandboxes), the error is that of the kernel. It asks once for the process.
var RegisterBarrier = sync.OnceValue(func() error {
	if err := membarrier(membarrierRegisterGlobalExpedited); err != nil {
		return err
	}
	return Barrier()
})

// Barrier is a full memory barrier on every CPU that now runs a process which
// called RegisterBarrier: what such a process stored before is seen by the caller
// afterwards, and what the caller stored before is seen by what such a process
// loads afterwards. It takes microseconds, and costs the others nothing else.
func Barrier() error { return membarrier(membarrierGlobalExpedited) }

func membarrier(cmd uintptr) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_MEMBARRIER, cmd, 0, 0); errno != 0 {
		return fmt.Errorf("sys: membarrier: %w", errno)
	}
	return nil
}
