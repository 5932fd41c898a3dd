package mp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/mpgo/mp/internal/child"
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
	owner   owner
	memory  int64 // limit in bytes; 0 for none
	depth   int   // generations below
	procs   int   // GOMAXPROCS; 0 for the default
	spec    child.Spec
	err     error // of an option that makes no sense
}

// collect applies the options to the defaults.
func collect(opts []ProcessOption) (processOptions, error) {
	o := processOptions{grace: DefaultGrace, depth: maxDepth}
	for _, set := range opts {
		set(&o)
	}
	if o.procs > 0 {
		o.setenv("GOMAXPROCS", strconv.Itoa(o.procs))
	}
	return o, o.err
}

// An owner is who ends a process that does not end by itself: its pool.
type owner interface{ Stop() error }

// ownedBy has Shutdown stop the process's owner instead of waiting for the process.
func ownedBy(by owner) ProcessOption { return func(o *processOptions) { o.owner = by } }

// setenv sets a variable of the process's environment; the last one counts.
func (o *processOptions) setenv(name, value string) {
	if o.spec.Env == nil {
		o.spec.Env = os.Environ()
	}
	o.spec.Env = append(slices.Clip(o.spec.Env), name+"="+value)
}

// refuse keeps what is wrong with the options until the process is to be started.
func (o *processOptions) refuse(format string, args ...any) {
	o.err = errors.Join(o.err, fmt.Errorf(format, args...))
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

// WithExtraFiles gives the process open files beside its standard input, output and
// error. There, ExtraFiles returns them in the same order; their descriptors begin
// at 7 and are closed in programs that the process executes. The caller's own stay
// open and are put into blocking mode, as those of exec.Cmd.ExtraFiles are. A process that
// runs already gets an open file as a File.
func WithExtraFiles(files ...*os.File) ProcessOption {
	return func(o *processOptions) { o.spec.Files = slices.Clone(files) }
}

// WithNice sets the process's priority: 19 is the last to run, 0 is normal, less
// than this process's own takes a privilege. Its threads and its children have it
// from their beginning.
func WithNice(n int) ProcessOption {
	return func(o *processOptions) { o.spec.Nice = &n }
}

// WithCPUs binds the process, and its children, to these CPUs, by the system's
// numbers. NumCPU and the default of GOMAXPROCS follow there.
func WithCPUs(cpus ...int) ProcessOption {
	return func(o *processOptions) {
		if len(cpus) == 0 {
			o.refuse("mp: WithCPUs without a CPU")
		}
		o.spec.CPUs = slices.Clone(cpus)
	}
}

// WithMaxProcs sets GOMAXPROCS for the process: how many of its threads run Go code
// at a time.
func WithMaxProcs(n int) ProcessOption {
	return func(o *processOptions) {
		if n < 1 {
			o.refuse("mp: WithMaxProcs(%d); it must be at least 1", n)
		}
		o.procs = n
	}
}

// WithMemoryLimit limits how much private memory the process may use beyond what it
// has at its start: heap, stacks and what native code allocates, but not the memory
// that processes share. It holds from before the argument is decoded, and is passed
// on to programs and processes that the process starts, to each for itself.
//
// A process that needs more ends with an *ExitError whose OOM is true. To keep it
// from that, the garbage collector is told of the limit (debug.SetMemoryLimit, of
// nine tenths), unless the environment has GOMEMLIMIT. Go's heap grows by
// 4 MiB at a time.
func WithMemoryLimit(bytes int64) ProcessOption {
	return func(o *processOptions) {
		if bytes < 1 {
			o.refuse("mp: WithMemoryLimit(%d); it must be at least 1 byte", bytes)
		}
		o.memory, o.spec.Limited = bytes, true
	}
}

// WithMaxDepth limits how many generations of processes there may be below the one
// that is started: with 0 it cannot start any, with 1 its children cannot. The first process
// has 64; a child can only have less than its parent. Start fails with ErrTooDeep
// beyond. Python: children of a daemonic process are not allowed.
func WithMaxDepth(n int) ProcessOption {
	return func(o *processOptions) {
		if n < 0 {
			o.refuse("mp: WithMaxDepth(%d); it cannot be negative", n)
		}
		o.depth = n
	}
}

// Detached lets the process outlive its parent. Its context does not end with the
// parent, whose end Parent().Done() tells; it is in a session of its own, so that
// Ctrl-C does not reach it; and Shutdown does not wait for it. Shared objects live
// on with it. While its parent lives it is a child like any other: the parent knows
// of its end, and ends it when Start's context ends.
func Detached() ProcessOption {
	return func(o *processOptions) { o.spec.Detached = true }
}

// WithCommand lets change adjust the command before it is started: its user, its
// control group, its namespaces, its output. It is called after all other options,
// and last of all the library adds a variable of its own to the environment. The
// first four ExtraFiles must stay what they are; those behind them are what
// ExtraFiles returns in the process. The command must not be started by change, nor
// kept.
func WithCommand(change func(*exec.Cmd)) ProcessOption {
	return func(o *processOptions) { o.spec.Change = change }
}
