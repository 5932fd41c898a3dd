package mp

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// Start starts a process that runs f with in, and returns as soon as it is
// started, or, if it is detached, as soon as it has begun to run by itself. What f returns is known to Wait, except the value; see Run for that.
//
// The process gets this program's environment, directory, standard output and
// error, and /dev/null as standard input. It ends when its parent dies. When ctx
// ends, f's context does; if f has not returned after the grace, the process is
// killed.
//
// Errors: ErrNotInitialized if Init has not run (nothing is started then),
// ErrTooDeep, ctx's error if it has ended already, an option that makes no sense, an
// argument that cannot be encoded or is too large, ErrProcessTableFull, and what the
// system says to a new process.
func (f *Func[In, Out]) Start(ctx context.Context, in In, opts ...ProcessOption) (*Process, error) {
	p, err := f.start(ctx, in, opts)
	if err != nil {
		return nil, fmt.Errorf("mp: start %q: %w", f.name, err)
	}
	return p, nil
}

// Run runs f with in in a fresh process, and returns its result when the process
// is gone. Errors are those of Start and of Process.Wait; if ctx ended the
// process, also ctx's.
func (f *Func[In, Out]) Run(ctx context.Context, in In, opts ...ProcessOption) (Out, error) {
	var none Out
	p, err := f.start(ctx, in, append(slices.Clip(opts), keepAnswer))
	if err != nil {
		return none, fmt.Errorf("mp: run %q: %w", f.name, err)
	}
	<-p.done
	defer p.forget()
	switch {
	case p.answer != nil && p.answer[0] == answerValue:
		return readAnswer(f.out, f.name, p.answer)
	case p.err == nil:
		return none, p.exitError() // os.Exit(0) is no result
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(p.err, cause) {
		return none, fmt.Errorf("%w: %w", cause, p.err)
	}
	return none, p.err
}

// keepAnswer is the option of those who want the function's result.
func keepAnswer(o *processOptions) { o.keep = true }

func (f *Func[In, Out]) start(ctx context.Context, in In, opts []ProcessOption) (*Process, error) {
	if err := mayStart(ctx); err != nil {
		return nil, err
	}
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	arg, err := f.in.Append(nil, in)
	if err != nil {
		return nil, err
	}
	var carried []wire.Handle
	if f.in.HasHandles() {
		carried = f.in.AppendHandles(nil, in)
	}
	l := letter{Func: f.name, Type: typeOf[In, Out](), Arg: arg}
	p, err := launch(l, carried, o)
	runtime.KeepAlive(in) // its handles must not be given back before the letter holds them
	if err != nil {
		return nil, err
	}
	p.follow(ctx)
	if p.detached {
		p.news.awaitOpening() // until then it would go with its parent
	}
	close(p.settled)
	return p, nil
}

func typeOf[In, Out any]() uint32 { return shm.TypeHash(reflect.TypeFor[func(In) Out]()) }

func mayStart(ctx context.Context) error {
	switch {
	case !initialized.Load():
		return ErrNotInitialized
	case self.depth == 0:
		return ErrTooDeep
	}
	return ctx.Err()
}

// launch starts a process that does what l says. The parent reserves the child's
// place and writes its letter first; if anything fails, or this process dies,
// both go back.
func launch(l letter, carried []wire.Handle, o processOptions) (*Process, error) {
	a, err := arena()
	if err != nil {
		return nil, err
	}
	if l.Build, err = thisBuild(); err != nil {
		return nil, err
	}
	l.Name = o.name
	if l.Name == "" {
		l.Name = defaultName()
	}
	l.Parent, l.Detached = Current().Name, o.spec.Detached
	l.Depth, l.Memory, l.Log = min(self.depth-1, o.depth), o.memory, logLevel()
	inc, err := a.Reserve()
	if err != nil {
		return nil, err
	}
	p, err := bear(a, inc, l, carried, o)
	if err != nil {
		a.Bury(inc) // it never lived
		return nil, err
	}
	return p, nil
}

func bear(a *shm.Arena, inc shm.Incarnation, l letter, carried []wire.Handle, o processOptions) (*Process, error) {
	news, err := deliver(a, inc, l, carried)
	if err != nil {
		return nil, err
	}
	door, err := treeDoor()
	if err != nil {
		return nil, err
	}
	o.spec.Arena, o.spec.Door = a.File(), door.File()
	o.spec.Marker = news.marker()
	o.spec.Title = "mp:" + l.Name
	c, err := child.Start(o.spec)
	if err != nil {
		news.recall()
		return nil, err
	}
	news.post()
	p := &Process{
		name: l.Name, fn: l.Func, child: c, inc: inc, news: news,
		grace: o.grace, kept: o.keep, drained: o.drained, detached: o.spec.Detached, owner: o.owner,
		settled: make(chan struct{}), done: make(chan struct{}),
	}
	p.enroll()
	Logger().Debug("mp: process started", "name", p.name, "pid", p.PID(), "func", p.fn)
	go p.watch()
	return p, nil
}
