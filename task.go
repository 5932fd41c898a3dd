package mp

import (
	"context"
	"sync"

	"github.com/mpgo/mp/internal/wire"
)

// A task is one call that a pool has to make: encoded, so that its backlog and
// workers need not know its types.
//
// Its life: waiting ─begin─▶ begun ─finish─▶ finished. A caller that gives up
// finishes it at once; whoever finishes first tells the outcome, and it is told
// exactly once.
type task struct {
	ctx     context.Context
	fn      string
	typ     uint32
	arg     []byte
	handles []wire.Handle // that arg speaks of
	keep    any           // what keeps those handles reachable until the task is finished
	attempt int           // how many workers have begun it

	// outcome gets the answer, which it closes before anybody hears of it, or an
	// error. It must not block.
	outcome func(answer *envelope, err error)

	mu       sync.Mutex
	finished bool
	stop     func() bool // ends the watch on ctx
}

// watch makes the end of ctx the end of the task, for its caller: a worker that
// has begun it is another matter.
func (t *task) watch() {
	stop := context.AfterFunc(t.ctx, func() { t.finish(nil, context.Cause(t.ctx)) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop = stop
}

// begin reports whether the task is still to be done.
func (t *task) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attempt++
	return !t.finished
}

// finish tells the outcome, unless that was done before.
func (t *task) finish(answer *envelope, err error) {
	t.mu.Lock()
	first := !t.finished
	t.finished = true
	stop := t.stop
	t.mu.Unlock()
	if !first {
		return
	}
	if stop != nil {
		stop()
	}
	t.outcome(answer, err)
	t.keep = nil
}
