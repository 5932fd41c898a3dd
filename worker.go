package mp

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
)

// A worker's process runs this function: it does what comes through its link,
// one task after the other, until the pool closes the link.
var workerMain = Register("mp.worker", func(ctx context.Context, in workerArg) (struct{}, error) {
	// The terminal's Ctrl-C goes to everybody; what it means is the parent's to say.
	signal.Ignore(os.Interrupt)
	a := in.Link.obj.Arena()
	for {
		cell, err := in.Link.view.requests.Take(ctx)
		if errors.Is(err, ErrClosed) {
			return struct{}{}, nil
		}
		if err != nil {
			return struct{}{}, err
		}
		e, err := open(a, cell)
		if err != nil {
			return struct{}{}, err
		}
		ans := e.work(ctx)
		reply := envelope{id: e.id, body: ans.bytes}
		err = reply.send(ctx, a, in.Link.view.answers, a.Parent(), ans.handles)
		if err != nil && ctx.Err() == nil {
			// No memory for the answer: say so instead.
			reply.body = errorAnswer(err).bytes
			err = reply.send(ctx, a, in.Link.view.answers, a.Parent(), nil)
		}
		if err != nil {
			return struct{}{}, err
		}
	}
})

type workerArg struct{ Link *link }

// work does one task.
func (e *envelope) work(ctx context.Context) answer {
	ctx, done := beginTask(ctx, e.id)
	defer done()
	return guarded(func() answer {
		run, err := e.prepare()
		if err != nil {
			return errorAnswer(err)
		}
		return run(ctx)
	})
}

func (e *envelope) prepare() (func(context.Context) answer, error) {
	defer e.close() // what the argument speaks of has handles of its own by then
	f, err := lookup(e.fn, e.typ)
	if err != nil {
		return nil, err
	}
	return f.prepare(e.body)
}

// running is the task that this process, a worker, is doing.
var running struct {
	mu     sync.Mutex
	id     uint64 // 0 for none
	cancel context.CancelFunc
}

// beginTask makes the task's context, which the parent's command cancels.
func beginTask(ctx context.Context, id uint64) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	running.mu.Lock()
	defer running.mu.Unlock()
	running.id, running.cancel = id, cancel
	return ctx, endTask
}

func endTask() {
	running.mu.Lock()
	defer running.mu.Unlock()
	running.cancel()
	running.id = 0
}

// cancelTask cancels a task if it is the one that runs.
func cancelTask(id uint64) {
	running.mu.Lock()
	defer running.mu.Unlock()
	if running.id == id && id != 0 {
		running.cancel()
	}
}
