package mp

import (
	"context"
	"runtime"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Semaphore is a number of permits that processes take and give. It may be sent
// to other processes and is the same there. It must not be copied.
//
// Permits belong to nobody: whoever wants to may release, also more than there
// were at first, and what a process had acquired when it died is gone until
// somebody releases it. A process that is killed while it waits holds nobody up.
// BoundedSemaphore is the kind that knows its owners. Python: Semaphore.
type Semaphore struct {
	handle[*ipc.Semaphore, semaphores]
}

// semaphores describes the blocks of Semaphores.
type semaphores struct{}

func (semaphores) what() string   { return "Semaphore" }
func (semaphores) kind() shm.Kind { return kindSemaphore }
func (semaphores) typ() uint32    { return 0 }

func (semaphores) open(o *shm.Object) (*ipc.Semaphore, error) {
	return ipc.NewSemaphore(o.Arena(), shm.At[ipc.SemaphoreState](o.Bytes(), 0)), nil
}

// NewSemaphore makes a Semaphore with so many permits, 0 or more. It takes 128
// bytes of shared memory.
func NewSemaphore(permits int) (*Semaphore, error) {
	if err := ipc.InitSemaphore(new(ipc.SemaphoreState), permits); err != nil {
		return nil, err
	}
	obj, err := create(semaphores{}, ipc.SemaphoreSize)
	if err != nil {
		return nil, err
	}
	if err := ipc.InitSemaphore(shm.At[ipc.SemaphoreState](obj.Bytes(), 0), permits); err != nil {
		obj.Close()
		return nil, err
	}
	s := new(Semaphore)
	return s, s.bind(obj)
}

// Acquire takes a permit, waiting for one until ctx ends. The error is ctx's, or
// ErrClosed if the handle is freed. What a process has acquired when it dies is gone.
func (s *Semaphore) Acquire(ctx context.Context) error {
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
func (s *Semaphore) TryAcquire() (bool, error) {
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

// Release gives n permits, 1 or more, be they taken before or new. The error is
// ErrTooFew, ErrTooMany, or ErrClosed if the handle is freed; nothing changes then.
func (s *Semaphore) Release(n int) error {
	if !s.usable() {
		return s.unusable()
	}
	err := s.view.Release(n)
	runtime.KeepAlive(s)
	if err != nil {
		return s.tell("release", err)
	}
	return nil
}

// Value is the number of permits that are to be had. Python: get_value.
func (s *Semaphore) Value() int {
	if !s.usable() {
		return 0
	}
	n := s.view.Value()
	runtime.KeepAlive(s)
	return n
}

// String tells the number of permits.
func (s *Semaphore) String() string {
	if !s.usable() {
		return "Semaphore (freed)"
	}
	str := s.view.String()
	runtime.KeepAlive(s)
	return str
}

// Free gives this handle back; it cannot be used any more.
func (s *Semaphore) Free() error { return s.free() }
