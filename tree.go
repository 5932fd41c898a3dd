package mp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/internal/keeper"
	"github.com/mpgo/mp/shm"
)

// DefaultArenaSize is the address space of a tree's shared memory. It is sparse:
// what is not used costs nothing.
const DefaultArenaSize = 64 << 30

// tree is what this process shares with its parent, its children and theirs.
var tree struct {
	mu    sync.Mutex
	size  int64 // asked for by SetArenaSize
	arena *shm.Arena
	door  atomic.Pointer[keeper.Door] // stored once, before there is a File
}

// arena is the shared memory of the tree that this process belongs to. The first
// process makes it when it first needs it; children are born with it.
func arena() (*shm.Arena, error) {
	tree.mu.Lock()
	defer tree.mu.Unlock()
	if tree.arena != nil {
		return tree.arena, nil
	}
	if child.Marked() {
		// It would make an arena of its own, and its parent's is waiting for it.
		return nil, fmt.Errorf("mp: no shared memory yet: %w", ErrNotInitialized)
	}
	size := tree.size
	if size == 0 {
		size = DefaultArenaSize
	}
	a, err := shm.Create(size)
	if err != nil {
		return nil, fmt.Errorf("mp: no shared memory: %w%s", err, sizeCure(err))
	}
	tree.arena = a
	return a, nil
}

// sizeCure says what to do if the system denies so much address space.
func sizeCure(err error) string {
	if errors.Is(err, syscall.ENOMEM) {
		return ": if address space is limited (ulimit -v), raise that limit, or ask for less with SetArenaSize"
	}
	return ""
}

// inherit makes a the arena of this process, a child.
func inherit(a *shm.Arena) {
	tree.mu.Lock()
	defer tree.mu.Unlock()
	tree.arena = a
}

// SetArenaSize sets how many bytes of address space the shared memory of this
// process and its descendants has, 64 GiB if never called. Address space costs
// nothing by itself; a smaller arena suits a system that limits it (ulimit -v),
// a larger one holds more. It must be called before the first shared object is
// made or the first process started, and not in a child.
func SetArenaSize(bytes int64) error {
	tree.mu.Lock()
	defer tree.mu.Unlock()
	if tree.arena != nil {
		return fmt.Errorf("mp: SetArenaSize: shared memory is in use already, with %d bytes; call it at the start of main", tree.arena.Size())
	}
	if bytes < shm.MinArena || bytes > shm.MaxArena {
		return fmt.Errorf("mp: SetArenaSize: %d bytes; it must be between %d and %d", bytes, int64(shm.MinArena), int64(shm.MaxArena))
	}
	tree.size = bytes
	return nil
}
