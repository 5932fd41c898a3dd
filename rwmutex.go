package mp

import (
	"context"
	"runtime"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A RWMutex is a lock that any number of readers, or one writer, may hold. It may
// be sent to other processes and is the same lock there. It must not be copied.
//
// A reader that dies hinders nobody. If a writer dies while it holds the lock,
// the others get ErrOwnerDied, as with a Mutex, until a Recover. A waiting writer
// keeps new readers out, so a goroutine must not read-lock twice.
//
// Python has none.
type RWMutex struct {
	handle[*ipc.RWMutex, rwmutexes]
}

// rwmutexes describes the blocks of RWMutexes.
type rwmutexes struct{}

func (rwmutexes) what() string   { return "RWMutex" }
func (rwmutexes) kind() shm.Kind { return kindRWMutex }
func (rwmutexes) typ() uint32    { return 0 }

func (rwmutexes) open(o *shm.Object) (*ipc.RWMutex, error) {
	return ipc.NewRWMutex(o.Arena(), shm.At[ipc.RWMutexState](o.Bytes(), 0)), nil
}

// NewRWMutex makes an unlocked RWMutex. It takes about 4 KiB of shared memory:
// a word for each process there can be.
func NewRWMutex() (*RWMutex, error) {
	obj, err := create(rwmutexes{}, ipc.RWMutexSize)
	if err != nil {
		return nil, err
	}
	l := new(RWMutex)
	return l, l.bind(obj)
}

// Lock locks l for writing, waiting until ctx ends. The errors are those of
// Mutex.Lock.
func (l *RWMutex) Lock(ctx context.Context) error {
	if !l.usable() {
		return l.unusable()
	}
	err := l.view.Lock(ctx)
	runtime.KeepAlive(l)
	if err != nil {
		return l.tell("lock", err)
	}
	return nil
}

// TryLock locks l for writing if that is possible at once, and reports whether
// it did.
func (l *RWMutex) TryLock() (bool, error) {
	if !l.usable() {
		return false, l.unusable()
	}
	ok, err := l.view.TryLock()
	runtime.KeepAlive(l)
	if err != nil {
		return false, l.tell("lock", err)
	}
	return ok, nil
}

// Unlock gives the writer's lock back. The errors are those of Mutex.Unlock.
func (l *RWMutex) Unlock() error {
	if !l.usable() {
		return l.unusable()
	}
	err := l.view.Unlock()
	runtime.KeepAlive(l)
	if err != nil {
		return l.tell("unlock", err)
	}
	return nil
}

// RLock locks l for reading, waiting until ctx ends. The errors are those of
// Mutex.Lock.
func (l *RWMutex) RLock(ctx context.Context) error {
	if !l.usable() {
		return l.unusable()
	}
	err := l.view.RLock(ctx)
	runtime.KeepAlive(l)
	if err != nil {
		return l.tell("lock for reading", err)
	}
	return nil
}

// TryRLock locks l for reading if that is possible at once, and reports whether
// it did.
func (l *RWMutex) TryRLock() (bool, error) {
	if !l.usable() {
		return false, l.unusable()
	}
	ok, err := l.view.TryRLock()
	runtime.KeepAlive(l)
	if err != nil {
		return false, l.tell("lock for reading", err)
	}
	return ok, nil
}

// RUnlock gives one reader's lock back; ErrNotLocked if this process has none.
func (l *RWMutex) RUnlock() error {
	if !l.usable() {
		return l.unusable()
	}
	err := l.view.RUnlock()
	runtime.KeepAlive(l)
	if err != nil {
		return l.tell("unlock for reading", err)
	}
	return nil
}

// Recover repairs what a dead writer left; see Mutex.Recover.
func (l *RWMutex) Recover(ctx context.Context, repair func() error) error {
	if !l.usable() {
		return l.unusable()
	}
	err := l.view.Recover(ctx, repair)
	runtime.KeepAlive(l)
	if err != nil {
		return l.tell("recover", err)
	}
	return nil
}

// Readers is how many readers of live processes hold the lock.
func (l *RWMutex) Readers() int {
	if !l.usable() {
		return 0
	}
	n := l.view.Readers()
	runtime.KeepAlive(l)
	return n
}

// Owner is the process that has the lock for writing, or waits for its readers to leave, alive or not; held is false if none has.
func (l *RWMutex) Owner() (o Owner, held bool) {
	if !l.usable() {
		return Owner{}, false
	}
	o, held = ownerIn(l.obj.Arena(), l.view.Owner())
	runtime.KeepAlive(l)
	return o, held
}

// Locked reports whether a writer holds the lock.
func (l *RWMutex) Locked() bool {
	if !l.usable() {
		return false
	}
	locked := l.view.Locked()
	runtime.KeepAlive(l)
	return locked
}

// String tells who holds the lock.
func (l *RWMutex) String() string {
	if !l.usable() {
		return "RWMutex (freed)"
	}
	s := l.view.String()
	runtime.KeepAlive(l)
	return s
}

// Free gives this handle back; it cannot be used any more.
func (l *RWMutex) Free() error { return l.free() }
