package ipc

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/mpgo/mp/shm"
)

// An RLock is a Mutex that its holder may lock again. Goroutines have no identity,
// so the holder is an explicit Holder. It must not be copied.
//
// It is Python's multiprocessing.RLock; there the holder is the thread.
//
// What is shared is the Mutex; who of the process holds it, and how many times,
// concerns the process alone.
type RLock struct {
	m      *Mutex
	holder atomic.Pointer[Holder] // who holds it in this process
}

// A Holder is one that may hold an RLock, as a thread is in Python. Its methods
// must not be called by two goroutines at a time.
type Holder struct {
	l     *RLock
	count int // how many times it holds it
}

// NewRLock is the calling process's view of the RLock at s. It may be used as a
// Mutex by others, and they see it locked.
func NewRLock(d Domain, s *MutexState, opts ...MutexOption) *RLock {
	return &RLock{m: NewMutex(d, s, opts...)}
}

// Holder makes a new holder.
func (l *RLock) Holder() *Holder { return &Holder{l: l} }

// Lock locks the lock, once more if h holds it already. Its errors are those of
// Mutex.Lock.
func (h *Holder) Lock(ctx context.Context) error {
	if h.again() {
		return nil
	}
	if err := h.l.m.Lock(ctx); err != nil {
		return err
	}
	h.first()
	return nil
}

// TryLock is Lock if that is possible at once, and reports whether it was.
func (h *Holder) TryLock() (bool, error) {
	if h.again() {
		return true, nil
	}
	ok, err := h.l.m.TryLock()
	if ok {
		h.first()
	}
	return ok, err
}

func (h *Holder) again() bool {
	if h.l.holder.Load() != h {
		return false
	}
	h.count++
	return true
}

func (h *Holder) first() {
	h.count = 1
	h.l.holder.Store(h)
}

// Unlock takes back one Lock; with the last one the lock is free. It is ErrNotOwner
// if another holder or process holds the lock, and ErrNotLocked if nobody does.
func (h *Holder) Unlock() error {
	if h.l.holder.Load() != h {
		if h.l.m.gate.closed.Load() {
			return ErrClosed
		}
		if h.l.m.Locked() {
			return ErrNotOwner
		}
		return ErrNotLocked
	}
	if h.count--; h.count > 0 {
		return nil
	}
	h.l.holder.Store(nil)
	return h.l.m.Unlock()
}

// Count is how many times h holds the lock.
func (h *Holder) Count() int {
	if h.l.holder.Load() != h {
		return 0
	}
	return h.count
}

// With runs f with the lock held.
func (h *Holder) With(ctx context.Context, f func() error) (err error) {
	if err := h.Lock(ctx); err != nil {
		return err
	}
	defer func() {
		if e := h.Unlock(); err == nil {
			err = e
		}
	}()
	return f()
}

// Recover is that of Mutex.
func (l *RLock) Recover(ctx context.Context, repair func() error) error {
	return l.m.Recover(ctx, repair)
}

// Owner is that of Mutex.
func (l *RLock) Owner() shm.Incarnation { return l.m.Owner() }

// Locked reports whether somebody holds the lock.
func (l *RLock) Locked() bool { return l.m.Locked() }

// Close is that of Mutex.
func (l *RLock) Close() error { return l.m.Close() }

// String tells the owner, and the count if that is a holder of this process.
func (l *RLock) String() string {
	if l.m.gate.closed.Load() {
		return "RLock(closed)"
	}
	owner := l.m.Owner()
	count := "0"
	switch {
	case l.holder.Load() != nil:
		count = "nonzero"
	case owner != 0:
		count = "unknown"
	}
	return fmt.Sprintf("RLock(owner=%s, count=%s)", describe(l.m.d, owner), count)
}
