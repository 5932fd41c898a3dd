package sys_test

import (
	"os"
	"unsafe"

	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/internal/testkit"
)

// watchThread puts the first word of f on the calling thread's robust list, which
// lies in f, too: a head {first node, offset of the word from its node, pending
// node} at byte 8 and a node at byte 32.
func watchThread(f *os.File) (tid int, err error) {
	words := testkit.MapWords(nil, f)
	// SAFETY: the mapping is a page, and stays for the life of this process.
	base := unsafe.Pointer(&words[0])
	head := (*[4]uintptr)(unsafe.Add(base, 8))
	head[0] = uintptr(unsafe.Pointer(&head[3]))
	head[1] = ^uintptr(32 - 1) // -32: from the node back to the word
	head[2] = 0
	head[3] = uintptr(unsafe.Pointer(head))
	tid = sys.Gettid()
	const waiters = 1 << 31 // FUTEX_WAITERS
	words[0].Store(uint32(tid) | waiters)
	return tid, sys.SetRobustList(unsafe.Pointer(head), 24)
}
