package mp

import (
	"context"
	"sync"
	"time"
)

// A taskContext is the context of one call in a worker. Most functions never look at
// theirs, so what cancels is made for those that do, when they do.
type taskContext struct {
	worker context.Context // ends with the worker
	number uint32          // of the element

	mu     sync.Mutex
	real   context.Context // made by the first that asks
	cancel context.CancelFunc
	over   bool // before real was made
}

// actual is the context that this one stands for.
func (c *taskContext) actual() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		c.real, c.cancel = context.WithCancel(c.worker)
		if c.over {
			c.cancel()
		}
	}
	return c.real
}

// end cancels the context: the call has returned, or is not wanted any more.
func (c *taskContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *taskContext) Deadline() (time.Time, bool) { return c.worker.Deadline() }
func (c *taskContext) Done() <-chan struct{}       { return c.actual().Done() }
func (c *taskContext) Err() error                  { return c.actual().Err() }
func (c *taskContext) Value(key any) any           { return c.actual().Value(key) }
