package ipc

import (
	"context"

	"github.com/mpgo/mp/internal/shared"
)

// A OnceState is the shared memory of a Once. Zero is one that is not done.
//
//	offset  size
//	0       8     lock, held by who is at it
//	8       4     done: 1 when f has succeeded; never changes again
//
// A kill before done is stored hands the lock on, so that the next one runs f.
type OnceState struct {
	lock MutexState
	done shared.Uint32
}

// OnceSize is the shared memory of a Once in bytes; it is aligned to 4.
const OnceSize = MutexSize + 4

// A Once makes something happen once among all processes. It must not be copied.
//
// The return of the f that succeeded synchronizes before the return of every Do.
//
// It has no counterpart in Python; in Go it is sync.Once, except that f may fail,
// and that it may be run again after the death of the process that ran it.
type Once struct {
	state *OnceState
	lock  *Mutex
}

// NewOnce is the calling process's view of the Once at s.
func NewOnce(d Domain, s *OnceState) *Once {
	return &Once{s, NewMutex(d, &s.lock, IgnoreOwnerDeath())}
}

// Do calls f unless a call has succeeded before. While one process is at it, the
// others wait. If f fails or panics, or its process is killed, the next one calls
// its f.
func (o *Once) Do(ctx context.Context, f func() error) error {
	if o.Done() {
		return nil
	}
	return o.lock.With(ctx, func() error {
		if o.state.done.Load() != 0 {
			return nil
		}
		if err := f(); err != nil {
			return err
		}
		o.lock.edge.release()
		o.state.done.Store(1) // observed by Done
		return nil
	})
}

// Done reports whether a call has succeeded.
func (o *Once) Done() bool {
	if o.lock.gate.closed.Load() || o.state.done.Load() == 0 {
		return false
	}
	o.lock.edge.acquire()
	return true
}

// Close ends this process's view; everybody who waits through it, or ever will,
// gets ErrClosed.
func (o *Once) Close() error { return o.lock.Close() }

// String tells whether it is done.
func (o *Once) String() string {
	switch {
	case o.lock.gate.closed.Load():
		return "Once(closed)"
	case o.Done():
		return "Once(done)"
	case o.lock.Locked():
		return "Once(running in " + describe(o.lock.d, o.lock.Owner()) + ")"
	}
	return "Once(not done)"
}
