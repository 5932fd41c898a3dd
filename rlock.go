package mp

import (
	"context"
	"fmt"
	"runtime"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A RLock is a lock that its holder may lock again. Goroutines have no identity,
// so the holder is an explicit Holder, of which a process may have any number. It
// may be sent to other processes and is the same lock there. It must not be
// copied.
//
// If the holder's process dies, the others get ErrOwnerDied, as with a Mutex,
// until a Recover.
//
// Python: RLock, where the holder is the thread.
type RLock struct {
	handle[*ipc.RLock, rlocks]
}

// rlocks describes the blocks of RLocks.
type rlocks struct{}

func (rlocks) what() string   { return "RLock" }
func (rlocks) kind() shm.Kind { return kindRLock }
func (rlocks) typ() uint32    { return 0 }

func (rlocks) open(o *shm.Object) (*ipc.RLock, error) {
	return ipc.NewRLock(o.Arena(), shm.At[ipc.MutexState](o.Bytes(), 0)), nil
}

// NewRLock makes an unlocked RLock. It takes 128 bytes of shared memory.
func NewRLock() (*RLock, error) {
	obj, err := create(rlocks{}, ipc.MutexSize)
	if err != nil {
		return nil, err
	}
	l := new(RLock)
	return l, l.bind(obj)
}

// Holder makes a new holder, which holds nothing. Its methods must not be called
// by two goroutines at a time.
func (l *RLock) Holder() *Holder {
	h := &Holder{lock: l}
	if l.usable() {
		h.holder = l.view.Holder()
	}
	return h
}

// Recover repairs what a dead holder left; see Mutex.Recover.
func (l *RLock) Recover(ctx context.Context, repair func() error) error {
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

// Owner is the process that has the lock, alive or not; held is false if none has.
func (l *RLock) Owner() (o Owner, held bool) {
	if !l.usable() {
		return Owner{}, false
	}
	o, held = ownerIn(l.obj.Arena(), l.view.Owner())
	runtime.KeepAlive(l)
	return o, held
}

// Locked reports whether somebody holds the lock.
func (l *RLock) Locked() bool {
	if !l.usable() {
		return false
	}
	locked := l.view.Locked()
	runtime.KeepAlive(l)
	return locked
}

// String tells who holds the lock, and how often.
func (l *RLock) String() string {
	if !l.usable() {
		return "RLock (freed)"
	}
	s := l.view.String()
	runtime.KeepAlive(l)
	return s
}

// Free gives this handle back; it and its Holders cannot be used any more.
func (l *RLock) Free() error { return l.free() }

// A Holder is one that may hold a RLock, as a thread is in Python.
type Holder struct {
	lock   *RLock
	holder *ipc.Holder
}

// closed is why the holder cannot be used, if so.
func (h *Holder) closed() error {
	switch {
	case h.lock == nil:
		return fmt.Errorf("mp: this Holder is empty; make one with RLock.Holder: %w", ErrClosed)
	case !h.lock.usable():
		return h.lock.unusable()
	}
	return nil
}

// Lock locks the lock, or locks it once more if the holder has it already. The
// errors are those of Mutex.Lock.
func (h *Holder) Lock(ctx context.Context) error {
	if err := h.closed(); err != nil {
		return err
	}
	err := h.holder.Lock(ctx)
	runtime.KeepAlive(h)
	if err != nil {
		return h.lock.tell("lock", err)
	}
	return nil
}

// TryLock is Lock if that is possible at once, and reports whether it was.
func (h *Holder) TryLock() (bool, error) {
	if err := h.closed(); err != nil {
		return false, err
	}
	ok, err := h.holder.TryLock()
	runtime.KeepAlive(h)
	if err != nil {
		return false, h.lock.tell("lock", err)
	}
	return ok, nil
}

// Unlock undoes one Lock; the last one unlocks the lock. ErrNotLocked if nobody has
// it, ErrNotOwner if another holder or process has; nothing changes then.
func (h *Holder) Unlock() error {
	if err := h.closed(); err != nil {
		return err
	}
	err := h.holder.Unlock()
	runtime.KeepAlive(h)
	if err != nil {
		return h.lock.tell("unlock", err)
	}
	return nil
}

// With calls f while the holder has the lock. Python: with lock.
func (h *Holder) With(ctx context.Context, f func() error) error {
	if err := h.closed(); err != nil {
		return err
	}
	locked := false
	err := h.holder.With(ctx, func() error {
		locked = true
		return f()
	})
	runtime.KeepAlive(h)
	if !locked { // and so err is not nil
		return h.lock.tell("lock", err)
	}
	return err
}

// Count is how many times the holder has locked the lock.
func (h *Holder) Count() int {
	if h.closed() != nil {
		return 0
	}
	return h.holder.Count()
}
