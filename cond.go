package mp

import (
	"context"
	"fmt"
	"runtime"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Cond lets processes wait for a condition on data that a Mutex protects. It
// may be sent to other processes and is the same there; its Mutex comes with it.
// It must not be copied.
//
// A waiter that is killed holds nobody up, and its notification is not lost if
// it had not gone on yet. Python: Condition, where notify hangs after a waiter was
// killed.
type Cond struct {
	handle[*condView, conds]
}

// condView is what all handles of a process share.
type condView struct {
	*ipc.Cond
	mutex *Mutex // this process's handle of the lock
}

// Close closes this process's view.
func (v *condView) Close() error {
	err := v.Cond.Close()
	_ = v.mutex.Free()
	return err
}

// conds describes the blocks of Conds: keepers of their Mutex.
type conds struct{}

func (conds) what() string   { return "Cond" }
func (conds) kind() shm.Kind { return kindCond }
func (conds) typ() uint32    { return 0 }

func (conds) open(o *shm.Object) (*condView, error) {
	b, err := o.Payload()
	if err != nil {
		return nil, err
	}
	kept := o.Kept()
	if len(kept) != 1 || len(b) < ipc.CondSize {
		return nil, fmt.Errorf("%d locks, %d bytes: %w", len(kept), len(b), shm.ErrDamaged)
	}
	m := new(Mutex)
	if err := m.WireBind(kept[0]); err != nil {
		return nil, err
	}
	return &condView{ipc.NewCond(o.Arena(), shm.At[ipc.CondState](b, 0), m.view), m}, nil
}

// NewCond makes a Cond of a lock, which lives as long as the Cond; of nil with a lock
// of its own, which Mutex returns. It takes about 4 KiB of shared memory: a word for
// each process there can be.
func NewCond(m *Mutex) (*Cond, error) {
	if m == nil {
		own, err := NewMutex()
		if err != nil {
			return nil, err
		}
		defer own.Free() // the Cond keeps it
		m = own
	}
	r, err := m.WireRef()
	if err != nil {
		return nil, err
	}
	o, err := m.obj.Arena().NewKeeper(conds{}.kind(), conds{}.typ(), []shm.Ref{r}, ipc.CondSize)
	runtime.KeepAlive(m)
	if err != nil {
		return nil, fmt.Errorf("mp: a new Cond: %w", err)
	}
	c := new(Cond)
	return c, c.bind(o)
}

// Mutex is the Cond's own handle of the lock, good until the Cond's is freed.
func (c *Cond) Mutex() *Mutex {
	if !c.usable() {
		return nil
	}
	return c.view.mutex
}

// Wait unlocks the lock, which this process must hold, waits for a notification
// until ctx ends, and locks again. There are no spurious returns; but somebody
// else may have had the lock in between, so look at the condition again, or use
// WaitFor.
//
// The lock is held on return, which may take longer than ctx allows, unless the
// error is ErrNotLocked, ErrNotOwner, ErrOwnerDied or ErrClosed.
func (c *Cond) Wait(ctx context.Context) error {
	if !c.usable() {
		return c.unusable()
	}
	err := c.view.Wait(ctx)
	runtime.KeepAlive(c)
	if err != nil {
		return c.tell("wait", err)
	}
	return nil
}

// WaitFor waits until condition holds, which it calls with the lock held, the
// first time at once. The errors are those of Wait.
func (c *Cond) WaitFor(ctx context.Context, condition func() bool) error {
	if !c.usable() {
		return c.unusable()
	}
	err := c.view.WaitFor(ctx, condition)
	runtime.KeepAlive(c)
	if err != nil {
		return c.tell("wait", err)
	}
	return nil
}

// Notify lets n of those go on who wait. This process must hold the lock.
func (c *Cond) Notify(n int) error {
	if !c.usable() {
		return c.unusable()
	}
	err := c.view.Notify(n)
	runtime.KeepAlive(c)
	if err != nil {
		return c.tell("notify", err)
	}
	return nil
}

// NotifyAll lets everybody go on who waits. This process must hold the lock.
func (c *Cond) NotifyAll() error {
	if !c.usable() {
		return c.unusable()
	}
	err := c.view.NotifyAll()
	runtime.KeepAlive(c)
	if err != nil {
		return c.tell("notify", err)
	}
	return nil
}

// Waiting is how many of live processes wait and have not been notified.
func (c *Cond) Waiting() int {
	if !c.usable() {
		return 0
	}
	n := c.view.Waiting()
	runtime.KeepAlive(c)
	return n
}

// String tells how many wait, and who holds the lock.
func (c *Cond) String() string {
	if !c.usable() {
		return "Cond (freed)"
	}
	s := c.view.String()
	runtime.KeepAlive(c)
	return s
}

// Free gives this handle back; it cannot be used any more. The Mutex's own
// handles are not concerned.
func (c *Cond) Free() error { return c.free() }
