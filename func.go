package mp

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/mpgo/mp/internal/wire"
)

// A Func is a function that other processes can run, as a Python function is
// when multiprocessing can import it by name.
type Func[In, Out any] struct {
	name string
	in   *wire.Codec[In]
	out  *wire.Codec[Out]
	f    func(context.Context, In) (Out, error)
	typ  func() uint32 // digest of In and Out; a new process must not begin with all of them
}

// Name is the name it was registered under.
func (f *Func[In, Out]) Name() string { return f.name }

// Register makes f callable in other processes of this program under a name. It
// is meant for package-level variables, so that parent and children register the
// same:
//
//	var square = mp.Register("square", func(ctx context.Context, n int) (int, error) {
//		return n * n, nil
//	})
//
// In and Out may be any types that can be encoded without loss: plain types and
// slices of them travel as raw memory, the rest as CBOR; handles of shared
// objects arrive as handles to the same object. So what is large is best an *Array:
// it is handed over where it lies, while a slice is copied into shared memory and out
// of it again. Its memory is there until the last handle is freed or collected as
// garbage, also that of the function which made it. Register panics, naming the
// part, if a type would lose data (a func, a chan, an interface, an unexported
// field), and if the name is taken: both are mistakes in the program that no
// input can bring about.
//
// The context that f gets is cancelled when its caller's is, and with the cause
// ErrParentDied when the parent process dies; the process ends shortly after
// that, whether f returns or not. A panic of f is the caller's *PanicError.
func Register[In, Out any](name string, f func(context.Context, In) (Out, error)) *Func[In, Out] {
	if f == nil {
		panic(fmt.Sprintf("mp: Register(%q) of a nil function", name))
	}
	in, err := wire.For[In]("argument")
	if err != nil {
		panic(fmt.Sprintf("mp: Register(%q): %v", name, err))
	}
	out, err := wire.For[Out]("result")
	if err != nil {
		panic(fmt.Sprintf("mp: Register(%q): %v", name, err))
	}
	fn := &Func[In, Out]{name: name, in: in, out: out, f: f, typ: sync.OnceValue(typeOf[In, Out])}
	register(&function{
		name:     name,
		typ:      fn.typ,
		argument: in.Stride(),
		result:   out.Stride(),
		prepare:  func(arg []byte) (func(context.Context) answer, error) { return prepare(fn, arg) },
		serve:    func(s *server, n uint32) (answer, error) { return serve(fn, s, n) },
	})
	return fn
}

// RegisterTask is Register for functions without a result:
//
//	var resize = mp.RegisterTask("resize", func(ctx context.Context, file string) error {
//		return shrink(ctx, file)
//	})
//
// What Run, Call and the others return as the result means nothing: only the error does.
func RegisterTask[In any](name string, f func(context.Context, In) error) *Func[In, struct{}] {
	if f == nil {
		panic(fmt.Sprintf("mp: RegisterTask(%q) of a nil function", name))
	}
	return Register(name, func(ctx context.Context, in In) (struct{}, error) {
		return struct{}{}, f(ctx, in)
	})
}

// A Runner is a type whose values are programs, as a subclass of Python's Process
// with its own run method is.
type Runner interface{ Run(context.Context) error }

// RegisterType makes the values of T runnable in other processes: T's fields are
// the arguments, its Run method is the program. See Register.
func RegisterType[T any, P interface {
	*T
	Runner
}](name string) *Func[T, struct{}] {
	return Register(name, func(ctx context.Context, v T) (struct{}, error) {
		return struct{}{}, P(&v).Run(ctx)
	})
}

// A function is a Func without its types.
type function struct {
	name             string
	typ              func() uint32 // digest of the types of argument and result
	where            string        // file and line of its registration
	argument, result int           // bytes of each, if any that many are one; else -1
	prepare          func(arg []byte) (func(context.Context) answer, error)
	serve            func(s *server, n uint32) (answer, error)
}

var registry struct {
	mu     sync.Mutex
	byName map[string]*function
}

func register(f *function) {
	f.where = callerOutside()
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if other := registry.byName[f.name]; other != nil {
		panic(fmt.Sprintf("mp: Register(%q) at %s: the name is taken by the function registered at %s; give each its own", f.name, f.where, other.where))
	}
	if registry.byName == nil {
		registry.byName = make(map[string]*function)
	}
	registry.byName[f.name] = f
}

// callerOutside is the file and line that called this package.
func callerOutside() string {
	pcs := make([]uintptr, 8)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "github.com/mpgo/mp.") || strings.HasSuffix(frame.File, "_test.go") {
			return fmt.Sprintf("%s:%d", frame.File, frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// lookup finds what a parent asked for by name and type.
func lookup(name string, typ uint32) (*function, error) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	f := registry.byName[name]
	switch {
	case f == nil:
		return nil, fmt.Errorf("mp: %w: %q; register it in a package-level variable, so that every process has it", ErrNotRegistered, name)
	case f.typ() != typ:
		return nil, fmt.Errorf("mp: %w: %q takes or returns another type here", ErrNotRegistered, name)
	}
	return f, nil
}

// registered returns this process's own record of f.
func registered(name string) *function {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return registry.byName[name]
}
