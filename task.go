package mp

import (
	"context"
	"sync"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
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
	handles []wire.Handle // that arg speaks of; the task's own, see hold
	attempt int           // how many workers have begun it

	// outcome gets the answer, which it closes before anybody hears of it, or an
	// error. It must not block.
	outcome func(answer *envelope, err error)

	mu       sync.Mutex
	finished bool
	senders  int         // who use the handles
	stop     func() bool // ends the watch on ctx
}

// A holdable is a handle that can be doubled. All of this package are.
type holdable interface{ hold() (held, error) }

// A held is a handle that belongs to a task.
type held struct{ *shm.Object }

// WireRef names the object in messages.
func (h held) WireRef() (shm.Ref, error) { return h.Ref(), nil }

// hold gives the task handles of its own, so that its caller may free theirs as
// soon as the pool has it.
func (t *task) hold(handles []wire.Handle) error {
	for _, h := range handles {
		own := h
		if h, ok := h.(holdable); ok {
			double, err := h.hold()
			if err != nil {
				t.release()
				return err
			}
			own = double
		}
		t.handles = append(t.handles, own)
	}
	return nil
}

// release gives the handles back.
func (t *task) release() {
	for _, h := range t.handles {
		if own, ok := h.(held); ok {
			own.Close()
		}
	}
	t.handles = nil
}

// watch makes the end of ctx the end of the task, for its caller: a worker that
// has begun it is another matter.
func (t *task) watch() {
	stop := context.AfterFunc(t.ctx, func() { t.finish(nil, context.Cause(t.ctx)) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop = stop
}

// begin reports whether the task is still to be done. If so, the caller may use the
// handles until it lets go of them.
func (t *task) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finished {
		return false
	}
	t.attempt++
	t.senders++
	return true
}

// letGo ends the use of the handles.
func (t *task) letGo() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.senders--
	if t.finished && t.senders == 0 {
		t.release()
	}
}

// finish tells the outcome, unless that was done before.
func (t *task) finish(answer *envelope, err error) {
	t.mu.Lock()
	first := !t.finished
	t.finished = true
	stop := t.stop
	if first && t.senders == 0 {
		t.release()
	}
	t.mu.Unlock()
	if !first {
		return
	}
	if stop != nil {
		stop()
	}
	t.outcome(answer, err)
}
