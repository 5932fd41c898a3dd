package ipc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/mpgo/mp/shm"
)

// A Mutex is a lock between processes, and between the goroutines of each. It
// must not be copied. Any goroutine of the process that locked it may unlock it.
//
// An Unlock synchronizes before every later Lock, in whichever process, and in
// the terms of Go's memory model if both are of one process.
//
// If a process dies while it holds the lock, Lock and TryLock return an error
// that is ErrOwnerDied, without the lock, until a Recover has repaired what the
// lock protects. With IgnoreOwnerDeath the lock just passes on.
//
// A running goroutine may overtake those that sleep, because a lock that is handed
// to a sleeper lies idle until that has woken up, which takes far longer than a
// lock is held. But who has waited for a millisecond gets it next: nobody starves.
//
// It is Python's multiprocessing.Lock, except that only the owner may unlock it,
// and that there a killed owner keeps the lock for ever.
type Mutex struct {
	state  atomic.Pointer[MutexState] // the shared words; closedMutex after Close
	me     uint32
	ignore bool
	idle   func() bool // not nil: reports that no owner, if dead, has done harm
	d      Domain
	gate   *gate
	edge   edge
}

// A MutexOption changes what NewMutex makes. All processes must give the same.
type MutexOption func(*Mutex)

// IgnoreOwnerDeath makes the lock of a dead owner pass quietly to the next, for
// data that a kill cannot leave half-written.
func IgnoreOwnerDeath() MutexOption { return func(m *Mutex) { m.ignore = true } }

// NewMutex is the calling process's view of the mutex at s.
func NewMutex(d Domain, s *MutexState, opts ...MutexOption) *Mutex {
	m := &Mutex{me: uint32(d.Self()), d: d, gate: newGate(d)}
	m.state.Store(s)
	for _, o := range opts {
		o(m)
	}
	return m
}

// Lock locks m. It blocks until the lock is free, and returns the context's error
// if that is done first, ErrOwnerDied if the owner died, ErrClosed after Close;
// the lock is held only if the error is nil.
func (m *Mutex) Lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.state.Load().word.CompareAndSwap(0, m.me) {
		m.edge.acquire()
		return nil
	}
	return m.lockSlow(ctx)
}

func (m *Mutex) lockSlow(ctx context.Context) error {
	m.gate.enter() // resign below still uses the shared words
	defer m.gate.leave()
	p := m.passage(m.gate, nil)
	err := m.gate.wait(ctx, p.try)
	p.resign()
	if err == nil {
		err = p.err
	}
	if err == nil {
		m.edge.acquire()
	}
	return err
}

// TryLock locks m if it is free, and reports whether it did. The errors are those
// of Lock.
func (m *Mutex) TryLock() (bool, error) {
	if m.state.Load().word.CompareAndSwap(0, m.me) {
		m.edge.acquire()
		return true, nil
	}
	return m.tryLockSlow()
}

func (m *Mutex) tryLockSlow() (bool, error) {
	m.gate.enter()
	defer m.gate.leave()
	if m.gate.closed.Load() {
		return false, ErrClosed
	}
	p := m.passage(m.gate, nil)
	p.rude = true
	done, _, _ := p.try(false)
	if !done || p.err != nil {
		return false, p.err
	}
	m.edge.acquire()
	return true, nil
}

// Unlock unlocks m, which this process must have locked: otherwise it returns
// ErrNotLocked or ErrNotOwner and changes nothing.
func (m *Mutex) Unlock() error {
	m.edge.release()
	if m.state.Load().word.CompareAndSwap(m.me, 0) {
		return nil
	}
	return m.unlockSlow()
}

func (m *Mutex) unlockSlow() error {
	m.gate.enter()
	defer m.gate.leave()
	if m.gate.closed.Load() {
		return ErrClosed
	}
	return m.state.Load().release(m.me)
}

// With runs f with the lock held and returns f's error, or Lock's, or Unlock's.
// The lock is released also if f panics. It is Python's "with lock:".
func (m *Mutex) With(ctx context.Context, f func() error) error {
	if err := m.Lock(ctx); err != nil {
		return err
	}
	return m.holding(f)
}

// WithRepair is With, but if an owner died, it first has repair put right what that left,
// as Recover does, unless another process is faster.
func (m *Mutex) WithRepair(ctx context.Context, repair, f func() error) error {
	err := m.Lock(ctx)
	for errors.Is(err, ErrOwnerDied) {
		if err := m.Recover(ctx, repair); err != nil && err != ErrHealthy {
			return err
		}
		err = m.Lock(ctx) // another may have got it in between, and died
	}
	if err != nil {
		return err
	}
	return m.holding(f)
}

// holding calls f, and unlocks whatever happens.
func (m *Mutex) holding(f func() error) (err error) {
	defer func() {
		if e := m.Unlock(); err == nil {
			err = e
		}
	}()
	return f()
}

// Recover repairs what the lock of a dead owner protects: it takes the lock, runs
// repair, and unlocks. If repair fails or panics, or its process dies, the lock
// stays as it was: ErrOwnerDied for everybody. A nil repair says that nothing
// needs to be repaired.
//
// If the owner did not die, or another Recover was faster, it returns ErrHealthy
// at once: then Lock waits for the other's repair like for any owner. WithRepair is
// the usual loop.
func (m *Mutex) Recover(ctx context.Context, repair func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.claimFromDead(); err != nil {
		return err
	}
	repaired := false
	defer func() {
		if !repaired {
			m.abandon(m.state.Load())
		}
	}()
	if repair != nil {
		if err := repair(); err != nil {
			return fmt.Errorf("ipc: repairing after the owner's death: %w", err)
		}
	}
	repaired = true
	return m.Unlock()
}

func (m *Mutex) claimFromDead() error {
	m.gate.enter()
	defer m.gate.leave()
	if m.gate.closed.Load() {
		return ErrClosed
	}
	if !m.state.Load().claimFromDead(m) {
		return ErrHealthy
	}
	m.edge.acquire()
	return nil
}

// forgives reports whether the lock of a dead owner just passes on.
func (m *Mutex) forgives() bool {
	return m.ignore || m.idle != nil && m.idle()
}

// abandon gives up the lock as if this process had died, if it is the owner.
func (m *Mutex) abandon(s *MutexState) {
	m.edge.release()
	s.abandon(m.me)
}

// Locked reports whether somebody holds the lock, be it a dead one.
func (m *Mutex) Locked() bool { return m.Owner() != shm.Nobody }

// Owner is the process that holds the lock, shm.Nobody if it is free or the view
// is closed, shm.DeadOwner if its owner died and a repair has failed.
func (m *Mutex) Owner() shm.Incarnation {
	if m.gate.closed.Load() {
		return shm.Nobody
	}
	return shm.Incarnation(m.state.Load().word.Load() & ownerMask)
}

// Close ends this process's view: everybody who waits through it, or ever will,
// gets ErrClosed. Others are not concerned; but if this process holds the lock,
// which nobody could unlock any more, it becomes a dead owner's. When Close
// returns, no waiting goroutine touches the shared word any more.
func (m *Mutex) Close() error {
	if m.gate.closed.Swap(true) {
		return nil
	}
	s := m.state.Swap(closedMutex)
	m.gate.close()
	m.abandon(s)
	return nil
}

// String tells the state and the owner.
func (m *Mutex) String() string {
	if m.gate.closed.Load() {
		return "Mutex(closed)"
	}
	return fmt.Sprintf("Mutex(owner=%s)", describe(m.d, m.Owner()))
}

// describe names an owner for people, as seen by this process.
func describe(d Domain, owner shm.Incarnation) string {
	switch {
	case owner == shm.Nobody:
		return "none"
	case owner == d.Self():
		return "self"
	case ownerDead(d, owner) && owner != shm.DeadOwner:
		return owner.String() + ", died"
	}
	return owner.String()
}
