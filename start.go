package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// DefaultGrace is how long a process may go on after its context was cancelled.
const DefaultGrace = time.Second

// A ProcessOption changes how a process is started.
type ProcessOption func(*processOptions)

type processOptions struct {
	name    string
	grace   time.Duration
	keep    bool // the answer, for Run
	drained bool // by a pool
	spec    child.Spec
}

// WithName names the process; the default is "process-N".
func WithName(name string) ProcessOption {
	return func(o *processOptions) { o.name = name }
}

// WithGrace sets how long the process may go on after its context was cancelled,
// before it is killed; the default is DefaultGrace.
func WithGrace(d time.Duration) ProcessOption {
	return func(o *processOptions) { o.grace = d }
}

// WithEnv sets the whole environment, as "key=value"; the default is this
// process's.
func WithEnv(env ...string) ProcessOption {
	return func(o *processOptions) { o.spec.Env = append([]string{}, env...) }
}

// WithDir sets the working directory; the default is this process's.
func WithDir(dir string) ProcessOption {
	return func(o *processOptions) { o.spec.Dir = dir }
}

// WithStdio sets standard input, output and error. A nil file leaves the default:
// /dev/null for input, this process's for the others.
func WithStdio(stdin, stdout, stderr *os.File) ProcessOption {
	return func(o *processOptions) {
		o.spec.Stdin, o.spec.Stdout, o.spec.Stderr = stdin, stdout, stderr
	}
}

// WithExecutable starts another file than this program's own. It must be a build
// of the same sources; the child ends with ErrWrongBuild otherwise. Python:
// set_executable.
func WithExecutable(path string) ProcessOption {
	return func(o *processOptions) { o.spec.Path = path }
}

// Start starts a process that runs f with in, and returns as soon as it is
// started. What f returns is known to Wait, except the value; see Run for that.
//
// The process gets this program's environment, directory, standard output and
// error, and /dev/null as standard input. It ends when its parent dies. When ctx
// ends, f's context does; if f has not returned after the grace, the process is
// killed.
//
// Errors: ErrNotInitialized if Init has not run (nothing is started then), ctx's
// error if it has ended already, an argument that cannot be encoded or is too
// large, ErrProcessTableFull, and what the system says to a new process.
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
	arg, err := f.in.Append(nil, in)
	if err != nil {
		return nil, err
	}
	var carried []wire.Handle
	if f.in.HasHandles() {
		carried = f.in.Handles(in)
	}
	l := letter{Func: f.name, Type: typeOf[In, Out](), Arg: arg}
	p, err := launch(l, carried, collect(opts))
	runtime.KeepAlive(in) // its handles must not be given back before the letter holds them
	if err == nil {
		p.follow(ctx, p.grace)
	}
	return p, err
}

func typeOf[In, Out any]() uint32 { return shm.TypeHash(reflect.TypeFor[func(In) Out]()) }

func mayStart(ctx context.Context) error {
	if !initialized.Load() {
		return ErrNotInitialized
	}
	return ctx.Err()
}

func collect(opts []ProcessOption) processOptions {
	o := processOptions{grace: DefaultGrace}
	for _, set := range opts {
		set(&o)
	}
	return o
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
	o.spec.Arena = a.File()
	o.spec.Marker = news.marker()
	o.spec.Title = "mp:" + l.Name
	c, err := child.Start(o.spec)
	if err != nil {
		news.block.Close()
		return nil, err
	}
	p := &Process{
		name: l.Name, fn: l.Func, child: c, inc: inc, news: news,
		grace: o.grace, kept: o.keep, drained: o.drained, done: make(chan struct{}),
	}
	p.enroll()
	go p.watch()
	return p, nil
}
