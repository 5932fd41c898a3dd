package mp

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Mutex is a lock between processes, and between the goroutines of each. It
// may be sent to other processes, in arguments, results and messages, and is the
// same lock there. It must not be copied.
//
// If a process dies while it holds the lock, the next Lock returns an error that
// is ErrOwnerDied within milliseconds; see Lock and Recover. Waiting is never
// disturbed by the death of another waiter. A stopped process keeps its locks.
//
// Python: Lock, which only its owner can unlock here, and which stays locked
// there when its owner is killed.
type Mutex struct {
	handle
	lock *ipc.Mutex
}

// A MutexOption changes how a Mutex works.
type MutexOption func(*mutexOptions)

type mutexOptions struct{ ignore bool }

// IgnoreOwnerDeath makes a Mutex that passes on quietly when its owner dies: for
// data that cannot be half-written.
func IgnoreOwnerDeath() MutexOption {
	return func(o *mutexOptions) { o.ignore = true }
}

// mutexWords is a Mutex's block: the lock, and what every view must know of it.
type mutexWords struct {
	lock   ipc.MutexState
	ignore atomic.Uint32
}

const mutexSize = 12

// NewMutex makes an unlocked Mutex. It takes 128 bytes of shared memory.
func NewMutex(opts ...MutexOption) (*Mutex, error) {
	var o mutexOptions
	for _, set := range opts {
		set(&o)
	}
	obj, err := create(kindMutex, 0, mutexSize)
	if err != nil {
		return nil, err
	}
	if o.ignore {
		shm.At[mutexWords](obj.Bytes(), 0).ignore.Store(1)
	}
	return new(Mutex).bind(obj), nil
}

func (m *Mutex) bind(obj *shm.Object) *Mutex {
	m.hold(obj)
	m.lock = obj.View(func() any {
		words := shm.At[mutexWords](obj.Bytes(), 0)
		var opts []ipc.MutexOption
		if words.ignore.Load() != 0 {
			opts = append(opts, ipc.IgnoreOwnerDeath())
		}
		return ipc.NewMutex(obj.Arena(), &words.lock, opts...)
	}).(*ipc.Mutex)
	return m
}

// Lock locks m, waiting for it until ctx ends.
//
// If a process died while it held the lock, Lock returns an error that is
// ErrOwnerDied, and the lock is not held: what it protects may be half-written.
// So it is for everybody until a Recover succeeds.
func (m *Mutex) Lock(ctx context.Context) error {
	if !m.usable() {
		return m.unusable("Mutex")
	}
	err := m.lock.Lock(ctx)
	runtime.KeepAlive(m)
	return err
}

// TryLock locks m if that is possible at once, and reports whether it did. The
// error is as that of Lock.
func (m *Mutex) TryLock() (bool, error) {
	if !m.usable() {
		return false, m.unusable("Mutex")
	}
	ok, err := m.lock.TryLock()
	runtime.KeepAlive(m)
	return ok, err
}

// Unlock unlocks m. It is ErrNotLocked if nobody has locked it, and ErrNotOwner
// if another process has; nothing changes then.
func (m *Mutex) Unlock() error {
	if !m.usable() {
		return m.unusable("Mutex")
	}
	err := m.lock.Unlock()
	runtime.KeepAlive(m)
	return err
}

// With calls f while it holds the lock. Python: with lock.
func (m *Mutex) With(ctx context.Context, f func() error) error {
	if !m.usable() {
		return m.unusable("Mutex")
	}
	err := m.lock.With(ctx, f)
	runtime.KeepAlive(m)
	return err
}

// Recover repairs what a dead owner left: it takes the lock, calls repair, and
// unlocks. If repair fails, the lock stays as it was, ErrOwnerDied for everybody.
// On a lock that needs no repair it is ErrHealthy. Of several processes that
// recover at once, one repairs.
func (m *Mutex) Recover(ctx context.Context, repair func() error) error {
	if !m.usable() {
		return m.unusable("Mutex")
	}
	err := m.lock.Recover(ctx, repair)
	runtime.KeepAlive(m)
	return err
}

// Locked reports whether some process holds the lock.
func (m *Mutex) Locked() bool {
	if !m.usable() {
		return false
	}
	locked := m.lock.Locked()
	runtime.KeepAlive(m)
	return locked
}

// String tells who holds the lock.
func (m *Mutex) String() string {
	if !m.usable() {
		return "Mutex (freed)"
	}
	s := m.lock.String()
	runtime.KeepAlive(m)
	return s
}

// Free gives this handle back; it cannot be used any more. The lock goes on
// for those who have handles.
func (m *Mutex) Free() error { return m.free("Mutex") }

// WireRef names the object in messages.
func (m *Mutex) WireRef() (shm.Ref, error) { return m.wireRef("Mutex") }

// MarshalCBOR encodes the handle for another process of the tree.
func (m *Mutex) MarshalCBOR() ([]byte, error) { return m.marshal("Mutex") }

// UnmarshalCBOR makes m a handle of the Mutex that was encoded.
func (m *Mutex) UnmarshalCBOR(b []byte) error {
	obj, err := receive(b, kindMutex, 0, "Mutex")
	if err == nil {
		m.bind(obj)
	}
	return err
}
