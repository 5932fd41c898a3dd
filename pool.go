package mp

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Pool is a set of worker processes that run registered functions for their
// parent: Func.Call, Go, Map, MapSeq and MapUnordered. Each worker does one task
// at a time.
//
// A worker that dies costs the task it was running, which fails with a
// *WorkerDiedError, and nothing else: another is started in its place. Every
// call ends, with a result or an error.
//
// Python: Pool.
type Pool struct {
	backlog *backlog
	drivers sync.WaitGroup
	list    []*driver
	grace   time.Duration
	env     []string
	unwatch func() bool

	mu     sync.Mutex
	failed error // why the pool gave up

	early   atomic.Int64 // workers in a row that died without having been of use
	started atomic.Int64
	died    atomic.Int64
	ended   atomic.Int64 // dismissed, so not died
	tasks   atomic.Int64
}

// A PoolOption changes how a pool works.
type PoolOption func(*poolOptions)

type poolOptions struct {
	grace time.Duration
	env   []string
}

// WithPoolGrace sets how long a worker may go on after its task was cancelled or
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

// NewPool starts a pool of worker processes; 0 workers stands for NumCPU. It
// returns as soon as they are started. When ctx ends, the pool is stopped.
//
// Errors: those of Func.Start, ErrNotInitialized among them, and a negative
// number of workers.
func NewPool(ctx context.Context, workers int, opts ...PoolOption) (*Pool, error) {
	if workers < 0 {
		return nil, fmt.Errorf("mp: a pool of %d workers; 0 stands for the number of CPUs", workers)
	}
	if err := mayStart(ctx); err != nil {
		return nil, fmt.Errorf("mp: a pool: %w", err)
	}
	if workers == 0 {
		workers = NumCPU()
	}
	o := poolOptions{grace: DefaultGrace, env: os.Environ()}
	for _, set := range opts {
		set(&o)
	}
	p := &Pool{backlog: newBacklog(), grace: o.grace, env: withMaxProcs(o.env, workers)}
	if err := p.open(workers); err != nil {
		return nil, fmt.Errorf("mp: a pool of %d workers: %w", workers, err)
	}
	p.unwatch = context.AfterFunc(ctx, func() { p.halt(fmt.Errorf("%w: %w", ErrPoolClosed, context.Cause(ctx))) })
	return p, nil
}

// open starts the workers, all or none.
func (p *Pool) open(workers int) error {
	for i := range workers {
		d := &driver{pool: p, index: i}
		if err := d.hire(); err != nil {
			for _, d := range p.list {
				d.dismiss()
			}
			return err
		}
		p.started.Add(1)
		p.list = append(p.list, d)
	}
	p.drivers.Add(workers)
	for _, d := range p.list {
		go d.drive()
	}
	return nil
}

func withMaxProcs(env []string, workers int) []string {
	for _, v := range env {
		if strings.HasPrefix(v, "GOMAXPROCS=") {
			return env
		}
	}
	return append(env[:len(env):len(env)], fmt.Sprintf("GOMAXPROCS=%d", max(1, NumCPU()/workers)))
}

func (p *Pool) processOptions(index int) []ProcessOption {
	return []ProcessOption{WithName(fmt.Sprintf("worker-%d", index+1)), WithEnv(p.env...), WithGrace(p.grace)}
}

// Workers is the number of workers.
func (p *Pool) Workers() int { return len(p.list) }

// PoolStats counts what a pool has done.
type PoolStats struct {
	Workers int // processes that are alive
	Started int // processes that were ever started
	Died    int // of those, how many died before the pool was closed
	Tasks   int // tasks taken in
}

// Stats counts.
func (p *Pool) Stats() PoolStats {
	started, died := p.started.Load(), p.died.Load()
	return PoolStats{Workers: int(started - died - p.ended.Load()), Started: int(started), Died: int(died), Tasks: int(p.tasks.Load())}
}

// Close takes no more tasks, waits until those that were taken are done, and
// ends the workers. Closing again waits, too, and is no error. It returns the
// error that made the pool give up, if one did. Python: close and join.
func (p *Pool) Close() error {
	p.backlog.close(ErrPoolClosed)
	p.drivers.Wait()
	p.unwatch()
	return p.failure()
}

// Stop ends the pool now: tasks that are waiting or running fail with
// ErrPoolClosed, running ones get their context cancelled and are killed if they
// have not returned after the grace. Python: terminate and join.
func (p *Pool) Stop() error {
	p.halt(ErrPoolClosed)
	p.drivers.Wait()
	p.unwatch()
	return p.failure()
}

// halt lets every task fail with why, and the drivers end.
func (p *Pool) halt(why error) {
	p.backlog.close(why)
	for _, t := range p.backlog.drop() {
		t.finish(nil, why)
	}
	for _, d := range p.list {
		d.abort(why)
	}
}

func (p *Pool) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// fail gives the pool up: a driver cannot get a worker.
func (p *Pool) fail(err error) {
	p.mu.Lock()
	if p.failed == nil {
		p.failed = err
	}
	p.mu.Unlock()
	p.halt(err)
}

// working reports whether drivers should go on.
func (p *Pool) working() bool { return !p.backlog.done() }

// earlyDeaths is how many workers in a row, beside one for each place, may die
// without having answered anything before the pool gives up.
const earlyDeaths = 5

// mourn counts a dead worker, and is an error if there were too many.
func (p *Pool) mourn(d *driver) error {
	p.died.Add(1)
	if d.useful {
		p.early.Store(0)
	} else if n := p.early.Add(1); n > int64(len(p.list)+earlyDeaths) {
		last := d.proc.ending()
		d.clear()
		return fmt.Errorf("mp: %w: %d in a row ended before they answered anything, the last with: %w", ErrCrashLoop, n, last)
	}
	p.started.Add(1)
	return nil
}

// submit takes a task in.
func (p *Pool) submit(t *task) {
	t.watch()
	p.tasks.Add(1)
	if err := p.backlog.put(t); err != nil {
		t.finish(nil, err)
	}
}
