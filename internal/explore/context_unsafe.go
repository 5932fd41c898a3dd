//go:build explore

package explore

import (
	"context"
	"slices"
	"unsafe"
)

// A Context is a context.Context for the threads of one process. It is done when its
// thread of the environment says so, which may be at any moment.
type Context struct {
	context.Context
	done  *uint64 // 1 if it is
	after []*func()
}

// NewContext makes a context; Cancels comes after its process was made.
func (x *Execution) NewContext() *Context {
	done := new(uint64)
	Words(x, "context", done)
	return &Context{Context: context.Background(), done: done}
}

// WithCancel is context.WithCancel in an exploration.
func WithCancel(parent context.Context) (ctx context.Context, cancel context.CancelFunc, ok bool) {
	if !Running() {
		return nil, nil, false
	}
	c := &Context{Context: parent, done: new(uint64)}
	running.kept = append(running.kept, c) // so that nothing else gets its address
	AfterDone(parent, c.cancel)
	return c, c.cancel, true
}

// Cancels says that c ends at some moment, as a part of process i.
func (x *Execution) Cancels(c *Context, i int) { x.environment(x.threads[i], c.cancel) }

// Done never tells: it is for threads that sleep elsewhere.
func (c *Context) Done() <-chan struct{} { return never }

var never = make(chan struct{})

// Err is context.Canceled when c is done.
func (c *Context) Err() error {
	if c.access(Load, func() {}) {
		return context.Canceled
	}
	return c.Context.Err()
}

// cancel ends the context, and does what is to be done then.
func (c *Context) cancel() {
	var after []*func()
	c.access(Store, func() {
		*c.done = 1
		after = slices.Clone(c.after)
	})
	for _, f := range after {
		(*f)()
	}
}

// access does f, of which nobody sees a half, and reports whether c is done.
func (c *Context) access(kind Kind, f func()) bool {
	// SAFETY: the address is only compared.
	at := uintptr(unsafe.Pointer(c.done))
	Before(kind, at)
	f()
	After(kind, at, *c.done, *c.done)
	return *c.done != 0
}

// AfterDone is context.AfterFunc, if ctx is a Context of an exploration.
func AfterDone(ctx context.Context, f func()) (stop func() bool, ok bool) {
	c, ok := ctx.(*Context)
	if !ok {
		return nil, false
	}
	if c.access(Store, func() { c.after = append(c.after, &f) }) {
		f()
	}
	return func() (stopped bool) {
		c.access(Store, func() {
			if i := slices.Index(c.after, &f); i >= 0 {
				c.after, stopped = slices.Delete(c.after, i, i+1), *c.done == 0
			}
		})
		return stopped
	}, true
}
