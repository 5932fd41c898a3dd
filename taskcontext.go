package mp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A taskContext is the context of one call in a worker. Most functions never look at
// theirs, so what can be cancelled is made for those that do, when they do.
type taskContext struct {
	server *server
	number uint32      // of the element
	over   atomic.Bool // the call has returned
	asked  atomic.Pointer[askedContext]
}

// An askedContext is a context that somebody has looked at.
type askedContext struct {
	context.Context
	cancel context.CancelFunc
}

// actual is the context that c stands for.
func (c *taskContext) actual() context.Context {
	if a := c.asked.Load(); a != nil {
		return a
	}
	ctx, cancel := context.WithCancel(c.server.ctx)
	mine := &askedContext{ctx, cancel}
	if !c.asked.CompareAndSwap(nil, mine) { // another goroutine was first
		cancel()
		return c.asked.Load()
	}
	// Either end, or the server's cancel, sees mine, or it is seen here.
	if c.server.watched(c); c.over.Load() {
		cancel()
	}
	return mine
}

// end cancels the context: the call has returned.
func (c *taskContext) end() {
	c.over.Store(true)
	c.interrupt()
}

// interrupt cancels the context, if anybody has looked at it.
func (c *taskContext) interrupt() {
	if a := c.asked.Load(); a != nil {
		a.cancel()
	}
}

func (c *taskContext) Deadline() (time.Time, bool) { return c.server.ctx.Deadline() }
func (c *taskContext) Done() <-chan struct{}       { return c.actual().Done() }
func (c *taskContext) Err() error                  { return c.actual().Err() }
func (c *taskContext) Value(key any) any           { return c.actual().Value(key) }

// An interrupts is what a server knows of contexts that end before their calls.
type interrupts struct {
	mu     sync.Mutex
	number uint32       // of the last element that was cancelled
	any    bool         // one was
	latest *taskContext // that somebody has looked at
}

// watched notes that c has been looked at, and cancels it if it was cancelled before.
func (i *interrupts) watched(c *taskContext) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.latest = c
	if i.any && i.number == c.number {
		c.interrupt()
	}
}

// cancel ends the context of an element: of the running one, or one that is about to.
func (i *interrupts) cancel(number uint32) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.number, i.any = number, true
	if i.latest != nil && i.latest.number == number {
		i.latest.interrupt()
	}
}
