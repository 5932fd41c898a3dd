package mp

import (
	"context"
	"runtime"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A BoundedSemaphore is a fixed number of permits, each of which belongs to the
// process that took it, until that releases it or dies. It may be sent to other
// processes and is the same there. It must not be copied.
//
// Python: BoundedSemaphore, where a killed process's permits are gone.
type BoundedSemaphore struct {
	handle[*ipc.BoundedSemaphore, boundedSemaphores]
}

// boundedSemaphores describes the blocks of BoundedSemaphores.
type boundedSemaphores struct{}

func (boundedSemaphores) what() string   { return "BoundedSemaphore" }
func (boundedSemaphores) kind() shm.Kind { return kindBoundedSemaphore }
func (boundedSemaphores) typ() uint32    { return 0 }

func (boundedSemaphores) open(o *shm.Object) (*ipc.BoundedSemaphore, error) {
	return ipc.OpenBoundedSemaphore(o.Arena(), o.Bytes())
}

// NewBoundedSemaphore makes a BoundedSemaphore with so many permits, 1 to 65,536.
// It takes 4 bytes of shared memory for each. The error is ErrTooFew or ErrTooMany, or
// that of a lack of shared memory.
func NewBoundedSemaphore(permits int) (*BoundedSemaphore, error) {
	n, err := ipc.BoundedSemaphoreSize(permits)
	if err != nil {
		return nil, err
	}
	obj, err := create(boundedSemaphores{}, n)
	if err != nil {
		return nil, err
	}
	if err := ipc.InitBoundedSemaphore(obj.Bytes(), permits); err != nil {
		obj.Close()
		return nil, err
	}
	s := new(BoundedSemaphore)
	return s, s.bind(obj)
}

// Acquire takes a permit for this process, waiting for one until ctx ends; a permit
// whose process died is one. The error is ctx's, or ErrClosed if the handle is freed.
func (s *BoundedSemaphore) Acquire(ctx context.Context) error {
	if !s.usable() {
		return s.unusable()
	}
	err := s.view.Acquire(ctx)
	runtime.KeepAlive(s)
	if err != nil {
		return s.tell("acquire", err)
	}
	return nil
}

// TryAcquire takes a permit if there is one, and reports whether it did.
func (s *BoundedSemaphore) TryAcquire() (bool, error) {
	if !s.usable() {
		return false, s.unusable()
	}
	ok, err := s.view.TryAcquire()
	runtime.KeepAlive(s)
	if err != nil {
		return false, s.tell("acquire", err)
	}
	return ok, nil
}

// Release gives one permit of this process back; ErrOverRelease if it has none.
func (s *BoundedSemaphore) Release() error {
	if !s.usable() {
		return s.unusable()
	}
	err := s.view.Release()
	runtime.KeepAlive(s)
	if err != nil {
		return s.tell("release", err)
	}
	return nil
}

// Value is the number of permits that are to be had. Python: get_value.
func (s *BoundedSemaphore) Value() int {
	if !s.usable() {
		return 0
	}
	n := s.view.Value()
	runtime.KeepAlive(s)
	return n
}

// Limit is the number of permits that there are.
func (s *BoundedSemaphore) Limit() int {
	if !s.usable() {
		return 0
	}
	n := s.view.Limit()
	runtime.KeepAlive(s)
	return n
}

// String tells the number of permits.
func (s *BoundedSemaphore) String() string {
	if !s.usable() {
		return "BoundedSemaphore (freed)"
	}
	str := s.view.String()
	runtime.KeepAlive(s)
	return str
}

// Free gives this handle back; it cannot be used any more. With the last handle
// of the process its permits go back, too.
func (s *BoundedSemaphore) Free() error { return s.free() }
