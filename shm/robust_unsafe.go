package shm

import (
	"unsafe"

	"github.com/mpgo/mp/internal/sys"
)

// robustList is the kernel's struct robust_list_head (include/uapi/linux/futex.h)
// with its only node, both inside the shared mapping: after the process is gone
// the kernel reads them through the dying process's own addresses, and sets
// OWNER_DIED in the word that lies offset bytes from the node.
type robustList struct {
	first   uintptr // the node
	offset  int64   // from the node to slot.life
	pending uintptr // always 0
	node    uintptr // back to the head: the list ends here
}

const robustHeadSize = 24

// watchThread registers the calling thread's death with the kernel: when the
// thread ends, OWNER_DIED appears in s.life and one sleeper on it is woken. The
// thread must belong to one goroutine for life. It returns the life word; where the
// kernel refuses, that stays 0.
func (s *slot) watchThread() (life uint32) {
	step()
	r := &s.robust
	// SAFETY: both are fields of one slot, which stays mapped for the life of the
	// process; the addresses are used by the kernel for this process alone.
	r.node = uintptr(unsafe.Pointer(r))
	r.first = uintptr(unsafe.Pointer(&r.node))
	r.offset = int64(uintptr(unsafe.Pointer(&s.life)) - uintptr(unsafe.Pointer(&r.node)))
	r.pending = 0
	if err := sys.SetRobustList(unsafe.Pointer(r), robustHeadSize); err != nil {
		return 0
	}
	life = uint32(sys.Gettid()) | lifeWaiters
	step()
	s.life.Store(life)
	return life
}
