package mp

import (
	"fmt"
	"os"
	"time"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// A PoolOption changes how a pool works.
type PoolOption func(*poolOptions)

type poolOptions struct {
	grace   time.Duration
	env     []string
	warm    bool
	init    *initializer
	carried []wire.Handle // by the initializer's argument
	retries int
	timeout time.Duration // for a call
	tasks   int           // for a worker
	age     time.Duration // of a worker
	growth  int64         // of a worker's memory
	idle    time.Duration // of a worker
	spin    time.Duration // of who waits

	err error // an option makes no sense
}

func collectPoolOptions(opts []PoolOption) (poolOptions, error) {
	o := poolOptions{grace: DefaultGrace, env: os.Environ()}
	for _, set := range opts {
		set(&o)
	}
	return o, o.err
}

// refuse notes an option that makes no sense.
func (o *poolOptions) refuse(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf("mp: a pool: "+format, args...)
	}
}

// keep keeps what the initializer's argument speaks of.
func (o *poolOptions) keep(a *shm.Arena) (*shm.Object, error) {
	if len(o.carried) == 0 {
		return nil, nil
	}
	return parcelOf(a, nil, o.carried)
}

// WithPoolGrace sets how long a worker may go on after its call was given up or
// the pool was stopped, before it is killed; the default is DefaultGrace.
func WithPoolGrace(d time.Duration) PoolOption {
	return func(o *poolOptions) { o.grace = d }
}

// WithPoolEnv sets the workers' environment, as "key=value"; the default is this
// process's. Unless it has one, GOMAXPROCS is added: the CPUs divided by the
// number of workers, at least 1.
func WithPoolEnv(env ...string) PoolOption {
	return func(o *poolOptions) { o.env = append([]string{}, env...) }
}

// WithWarmStart makes NewPool return when all workers are ready for calls, not as
// soon as they are started.
func WithWarmStart() PoolOption {
	return func(o *poolOptions) { o.warm = true }
}

// WithInitializer makes each worker call f with in before anything else, also those
// that take the place of others later. If that fails at the start, NewPool returns
// the error; if it fails later, again and again, the pool gives up with ErrCrashLoop.
// What f returns beside an error is dropped. Python: initializer and initargs, where a
// failure starts new workers for ever.
func WithInitializer[In, Out any](f *Func[In, Out], in In) PoolOption {
	return func(o *poolOptions) {
		arg, err := f.in.Append(nil, in)
		if err != nil {
			o.refuse("the argument of WithInitializer: %w", err)
		}
		o.init = &initializer{Func: f.name, Type: f.typ(), Arg: arg}
		o.carried = f.in.AppendHandles(nil, in)
	}
}

// WithRetries makes a call whose worker died be made again, up to n times, each time
// by another worker. An error that the function returned, or its panic, is an answer
// and no reason to try again. The default is 0: the call may have had effects.
func WithRetries(n int) PoolOption {
	return func(o *poolOptions) {
		if o.retries = n; n < 0 {
			o.refuse("WithRetries(%d); it cannot be negative", n)
		}
	}
}

// WithTaskTimeout bounds how long a worker may be at one call. What takes longer fails
// with an error that is context.DeadlineExceeded, its context is cancelled, and after
// the grace its worker is killed and replaced. 0, the default, is no bound.
func WithTaskTimeout(d time.Duration) PoolOption {
	return func(o *poolOptions) {
		if o.timeout = d; d < 0 {
			o.refuse("WithTaskTimeout(%v); it cannot be negative", d)
		}
	}
}

// WithMaxTasks replaces a worker by a new one after about n calls: after more, if it
// is in the middle of a chunk. 0, the default, is no bound. Python: maxtasksperchild.
func WithMaxTasks(n int) PoolOption {
	return func(o *poolOptions) {
		if o.tasks = n; n < 0 {
			o.refuse("WithMaxTasks(%d); it cannot be negative", n)
		}
	}
}

// WithMaxAge replaces a worker by a new one after that time, when it has done its
// call. 0, the default, is no bound.
func WithMaxAge(d time.Duration) PoolOption {
	return func(o *poolOptions) {
		if o.age = d; d < 0 {
			o.refuse("WithMaxAge(%v); it cannot be negative", d)
		}
	}
}

// WithMaxGrowth replaces a worker by a new one when its own memory, shared memory not
// counted, has grown by more than that many bytes since its first call. It looks after
// a call, at most once a second, and collects garbage before it believes it. 0, the
// default, is no bound. loky does so with 300 MB.
func WithMaxGrowth(bytes int64) PoolOption {
	return func(o *poolOptions) {
		if o.growth = bytes; bytes < 0 {
			o.refuse("WithMaxGrowth(%d); it cannot be negative", bytes)
		}
	}
}

// WithIdleTimeout ends a worker that has had nothing to do for that time; another is
// started when there is need. 0, the default, keeps all.
func WithIdleTimeout(d time.Duration) PoolOption {
	return func(o *poolOptions) {
		if o.idle = d; d < 0 {
			o.refuse("WithIdleTimeout(%v); it cannot be negative", d)
		}
	}
}

// WithSpin makes a goroutine that waits for an answer look for it for at least that long,
// before it sleeps; the default is up to 50 µs, as experience advises. To be woken takes
// 50 to 100 µs, so it is worth while if calls take longer than the default, but each
// microsecond counts. It costs a CPU as long as the call takes. One goroutine of the pool
// looks at a time, for all others too; who comes while another one looks, or the pool itself
// for those who do not wait (Go), sleeps as without the option. On a single CPU none looks.
func WithSpin(d time.Duration) PoolOption {
	return func(o *poolOptions) {
		if o.spin = d; d < 0 {
			o.refuse("WithSpin(%v); it cannot be negative", d)
		}
	}
}
