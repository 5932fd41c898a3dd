package mp

import (
	"context"
	"runtime"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Once makes something happen once among all processes. It may be sent to
// other processes and is the same there. It must not be copied.
//
// Python has none; in Go it is sync.Once.
type Once struct {
	handle[*ipc.Once, onces]
}

// onces describes the blocks of Onces.
type onces struct{}

func (onces) what() string   { return "Once" }
func (onces) kind() shm.Kind { return kindOnce }
func (onces) typ() uint32    { return 0 }

func (onces) open(o *shm.Object) (*ipc.Once, error) {
	return ipc.NewOnce(o.Arena(), shm.At[ipc.OnceState](o.Bytes(), 0)), nil
}

// NewOnce makes a Once that nothing has happened with. It takes 128 bytes of
// shared memory.
func NewOnce() (*Once, error) {
	obj, err := create(onces{}, ipc.OnceSize)
	if err != nil {
		return nil, err
	}
	o := new(Once)
	return o, o.bind(obj)
}

// Do calls f, unless a call has succeeded before in whatever process. While one
// is at it, the others wait until ctx ends. If f fails or panics, or its process
// dies in it, the next one calls its own f. The error is f's, ctx's, or ErrClosed if
// the handle is freed.
func (o *Once) Do(ctx context.Context, f func() error) error {
	if !o.usable() {
		return o.unusable()
	}
	err := o.view.Do(ctx, f)
	runtime.KeepAlive(o)
	return err
}

// Done reports whether a call has succeeded.
func (o *Once) Done() bool {
	if !o.usable() {
		return false
	}
	done := o.view.Done()
	runtime.KeepAlive(o)
	return done
}

// String tells whether it is done.
func (o *Once) String() string {
	if !o.usable() {
		return "Once (freed)"
	}
	s := o.view.String()
	runtime.KeepAlive(o)
	return s
}

// Free gives this handle back; it cannot be used any more.
func (o *Once) Free() error { return o.free() }
