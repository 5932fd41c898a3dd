package mp

import (
	"context"
	"fmt"
	"runtime"
)

// A Future is the result of a task that a pool is doing or going to do. Every
// Future gets its result some time: a value or an error. Python: AsyncResult.
type Future[Out any] struct {
	cancel context.CancelFunc
	done   chan struct{}

	// Written before done is closed.
	out Out
	err error
}

// Go has the pool run f with in, and returns at once. When ctx ends before the
// result is there, the Future's error is its cause, and the task is given up: it
// is not begun, or its context is cancelled and, after the pool's grace, its
// worker killed. Python: apply_async.
func (f *Func[In, Out]) Go(ctx context.Context, p *Pool, in In) *Future[Out] {
	ctx, cancel := context.WithCancel(ctx)
	future := &Future[Out]{cancel: cancel, done: make(chan struct{})}
	f.submit(ctx, p, in, func(out Out, err error) {
		future.out, future.err = out, err
		close(future.done)
		cancel()
	})
	return future
}

// Call has the pool run f with in, and waits for the result. If ctx ends before,
// it returns its cause at once, and the task is given up. Python: apply.
func (f *Func[In, Out]) Call(ctx context.Context, p *Pool, in In) (Out, error) {
	future := f.Go(ctx, p, in)
	<-future.done
	return future.out, future.err
}

// submit has the pool run f, and calls outcome once with what came of it; that
// must not block.
func (f *Func[In, Out]) submit(ctx context.Context, p *Pool, in In, outcome func(Out, error)) {
	var none Out
	if ctx.Err() != nil {
		outcome(none, context.Cause(ctx))
		return
	}
	arg, err := f.in.Append(nil, in)
	if err != nil {
		outcome(none, fmt.Errorf("mp: call %q: %w", f.name, err))
		return
	}
	t := &task{ctx: ctx, fn: f.name, typ: typeOf[In, Out](), arg: arg}
	if f.in.HasHandles() {
		err = t.hold(f.in.Handles(in))
		runtime.KeepAlive(in)
	}
	if err != nil {
		outcome(none, fmt.Errorf("mp: call %q: %w", f.name, err))
		return
	}
	t.outcome = func(answer *envelope, err error) {
		if err != nil {
			outcome(none, err)
			return
		}
		out, err := readAnswer(f.out, f.name, answer.body)
		answer.close() // the caller may need the memory
		outcome(out, err)
	}
	p.submit(t)
}

// Get waits for the result, or for the end of ctx.
func (f *Future[Out]) Get(ctx context.Context) (Out, error) {
	var none Out
	select {
	case <-f.done:
		return f.out, f.err
	default:
	}
	select {
	case <-f.done:
		return f.out, f.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Done is closed when the result is there.
func (f *Future[Out]) Done() <-chan struct{} { return f.done }

// Cancel gives the task up.
func (f *Future[Out]) Cancel() { f.cancel() }
