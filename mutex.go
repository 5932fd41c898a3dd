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
	handle[*ipc.Mutex, mutexes]
}

// mutexes describes the blocks of Mutexes.
type mutexes struct{}

func (mutexes) what() string   { return "Mutex" }
func (mutexes) kind() shm.Kind { return kindMutex }
func (mutexes) typ() uint32    { return 0 }

func (mutexes) open(o *shm.Object) (*ipc.Mutex, error) {
	words := shm.At[mutexWords](o.Bytes(), 0)
	var opts []ipc.MutexOption
	if words.ignore.Load() != 0 {
		opts = append(opts, ipc.IgnoreOwnerDeath())
	}
	return ipc.NewMutex(o.Arena(), &words.lock, opts...), nil
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
	obj, err := create(mutexes{}, mutexSize)
	if err != nil {
		return nil, err
	}
	if o.ignore {
		shm.At[mutexWords](obj.Bytes(), 0).ignore.Store(1)
	}
	m := new(Mutex)
	return m, m.bind(obj)
}

// Lock locks m, waiting for it until ctx ends.
//
// If a process died while it held the lock, Lock returns an error that is
// ErrOwnerDied, and the lock is not held: what it protects may be half-written.
// So it is for everybody until a Recover succeeds.
func (m *Mutex) Lock(ctx context.Context) error {
	if !m.usable() {
		return m.unusable()
	}
	err := m.view.Lock(ctx)
	runtime.KeepAlive(m)
	if err != nil {
		return m.tell("lock", err)
	}
	return nil
}

// TryLock locks m if that is possible at once, and reports whether it did. The
// error is as that of Lock.
func (m *Mutex) TryLock() (bool, error) {
	if !m.usable() {
		return false, m.unusable()
	}
	ok, err := m.view.TryLock()
	runtime.KeepAlive(m)
	if err != nil {
		return false, m.tell("lock", err)
	}
	return ok, nil
}

// Unlock unlocks m. It is ErrNotLocked if nobody has locked it, and ErrNotOwner
// if another process has; nothing changes then.
func (m *Mutex) Unlock() error {
	if !m.usable() {
		return m.unusable()
	}
	err := m.view.Unlock()
	runtime.KeepAlive(m)
	if err != nil {
		return m.tell("unlock", err)
	}
	return nil
}

// With calls f while it holds the lock. Python: with lock.
func (m *Mutex) With(ctx context.Context, f func() error) error {
	if !m.usable() {
		return m.unusable()
	}
	locked := false
	err := m.view.With(ctx, func() error {
		locked = true
		return f()
	})
	runtime.KeepAlive(m)
	if !locked { // and so err is not nil
		return m.tell("lock", err)
	}
	return err
}

// WithRepair is With for data that can be repaired: if a process died while it held the
// lock, repair puts right what that left, as Recover does, before f is called. Of several
// processes that find it so, one repairs. If repair fails, that is the error, f is not
// called, and the lock stays ErrOwnerDied for everybody.
func (m *Mutex) WithRepair(ctx context.Context, repair, f func() error) error {
	if !m.usable() {
		return m.unusable()
	}
	locked := false
	err := m.view.WithRepair(ctx, repair, func() error {
		locked = true
		return f()
	})
	runtime.KeepAlive(m)
	if !locked { // and so err is not nil
		return m.tell("lock", err)
	}
	return err
}

// Recover repairs what a dead owner left: it takes the lock, calls repair, and
// unlocks. If repair fails, the lock stays as it was, ErrOwnerDied for everybody.
// On a lock that needs no repair it is ErrHealthy. Of several processes that
// recover at once, one repairs.
func (m *Mutex) Recover(ctx context.Context, repair func() error) error {
	if !m.usable() {
		return m.unusable()
	}
	err := m.view.Recover(ctx, repair)
	runtime.KeepAlive(m)
	if err != nil {
		return m.tell("recover", err)
	}
	return nil
}

// Owner is the process that has the lock, alive or not; held is false if none has.
func (m *Mutex) Owner() (o Owner, held bool) {
	if !m.usable() {
		return Owner{}, false
	}
	o, held = ownerIn(m.obj.Arena(), m.view.Owner())
	runtime.KeepAlive(m)
	return o, held
}

// Locked reports whether some process holds the lock.
func (m *Mutex) Locked() bool {
	if !m.usable() {
		return false
	}
	locked := m.view.Locked()
	runtime.KeepAlive(m)
	return locked
}

// String tells who holds the lock.
func (m *Mutex) String() string {
	if !m.usable() {
		return "Mutex (freed)"
	}
	s := m.view.String()
	runtime.KeepAlive(m)
	return s
}

// Free gives this handle back; it cannot be used any more. The lock goes on
// for those who have handles.
func (m *Mutex) Free() error { return m.free() }
