package mp

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Barrier is where a fixed number of parties, in any processes, wait for each
// other, any number of times. It may be sent to other processes and is the same
// there. It must not be copied.
//
// If a party gives up, or dies after it arrived, or the action fails, or Abort is
// called, the barrier is broken: everybody who waits or comes gets
// ErrBrokenBarrier at once, until a Reset.
//
// Python: Barrier, which hangs when a party is killed.
type Barrier struct {
	handle[*barrierView, barriers]
}

// barrierView is what all handles of a process share.
type barrierView struct {
	*ipc.Barrier
	action atomic.Pointer[func() error]
}

func (v *barrierView) act() error {
	if f := v.action.Load(); f != nil && *f != nil {
		return (*f)()
	}
	return nil
}

// barriers describes the blocks of Barriers.
type barriers struct{}

func (barriers) what() string   { return "Barrier" }
func (barriers) kind() shm.Kind { return kindBarrier }
func (barriers) typ() uint32    { return 0 }

func (barriers) open(o *shm.Object) (*barrierView, error) {
	v := new(barrierView)
	v.Barrier = ipc.NewBarrier(o.Arena(), shm.At[ipc.BarrierState](o.Bytes(), 0), v.act)
	return v, nil
}

// NewBarrier makes a Barrier for so many parties, 1 to 65,535. It takes about 4 KiB
// of shared memory: a word for each process there can be.
func NewBarrier(parties int) (*Barrier, error) {
	if err := ipc.InitBarrier(new(ipc.BarrierState), parties); err != nil {
		return nil, err
	}
	obj, err := create(barriers{}, ipc.BarrierSize)
	if err != nil {
		return nil, err
	}
	if err := ipc.InitBarrier(shm.At[ipc.BarrierState](obj.Bytes(), 0), parties); err != nil {
		obj.Close()
		return nil, err
	}
	b := new(Barrier)
	return b, b.bind(obj)
}

// SetAction sets what this process does when its party is the last to arrive,
// before anybody goes on. A function cannot be sent: each process sets its own.
func (b *Barrier) SetAction(action func() error) error {
	if !b.usable() {
		return b.unusable()
	}
	b.view.action.Store(&action)
	return nil
}

// Wait waits until all parties do, and returns how many were there before this
// one. ErrBrokenBarrier if the barrier is broken or breaks. If ctx ends first, the
// barrier breaks, and the error is ctx's.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	if !b.usable() {
		return 0, b.unusable()
	}
	index, err = b.view.Wait(ctx)
	runtime.KeepAlive(b)
	if err != nil {
		return 0, b.tell("wait", err)
	}
	return index, nil
}

// Abort breaks the barrier.
func (b *Barrier) Abort() error {
	if !b.usable() {
		return b.unusable()
	}
	err := b.view.Abort()
	runtime.KeepAlive(b)
	if err != nil {
		return b.tell("abort", err)
	}
	return nil
}

// Reset makes the barrier as new. Those who wait get ErrBrokenBarrier.
func (b *Barrier) Reset() error {
	if !b.usable() {
		return b.unusable()
	}
	err := b.view.Reset()
	runtime.KeepAlive(b)
	if err != nil {
		return b.tell("reset", err)
	}
	return nil
}

// Broken reports whether the barrier is broken.
func (b *Barrier) Broken() bool {
	if !b.usable() {
		return false
	}
	broken := b.view.Broken()
	runtime.KeepAlive(b)
	return broken
}

// Parties is the number of parties.
func (b *Barrier) Parties() int {
	if !b.usable() {
		return 0
	}
	n := b.view.Parties()
	runtime.KeepAlive(b)
	return n
}

// Waiting is how many parties wait. Python: n_waiting.
func (b *Barrier) Waiting() int {
	if !b.usable() {
		return 0
	}
	n := b.view.Waiting()
	runtime.KeepAlive(b)
	return n
}

// String tells the state.
func (b *Barrier) String() string {
	if !b.usable() {
		return "Barrier (freed)"
	}
	s := b.view.String()
	runtime.KeepAlive(b)
	return s
}

// Free gives this handle back; it cannot be used any more.
func (b *Barrier) Free() error { return b.free() }
