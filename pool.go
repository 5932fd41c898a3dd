package mp

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// A Pool is a set of worker processes that run registered functions for their
// parent: Func.Call, Go, Map, MapSeq and MapUnordered. Each worker does one call
// at a time.
//
// A worker that dies costs the call it was running, which fails with a
// *WorkerDiedError, and nothing else: another is started in its place. Every
// call ends, with a result or an error.
//
// Python: Pool.
type Pool struct {
	*poolLedger
	hire    func(name string) (*hired, error)
	drivers sync.WaitGroup
	places  int // from the start
	env     []string
	init    *initializer
	unwatch func() bool

	leaving sync.Once     // guards the closing of
	left    chan struct{} // no place is staffed any more
	gone    chan struct{} // closed when the last worker is

	// Guarded by mu.
	failed error // why the pool gave up
	early  int   // misfortunes in a row: see mishap
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
	a, err := arena()
	if err != nil {
		return nil, err
	}
	p := &Pool{
		poolLedger: newLedger(a),
		places:     workers,
		env:        withMaxProcs(o.env, workers),
		left:       make(chan struct{}),
		gone:       make(chan struct{}),
	}
	p.hire = p.hireProcess
	p.grace = o.grace
	if err := p.open(workers); err != nil {
		return nil, fmt.Errorf("mp: a pool of %d workers: %w", workers, err)
	}
	p.unwatch = context.AfterFunc(ctx, func() { p.halt(fmt.Errorf("%w: %w", ErrPoolClosed, context.Cause(ctx))) })
	return p, nil
}

// open starts the workers, all or none.
func (p *Pool) open(workers int) error {
	var failed error
	for i := range workers {
		d := &driver{pool: p, name: fmt.Sprintf("worker-%d", i+1), quit: make(chan struct{})}
		w, err := p.hire(d.name)
		if err != nil {
			failed = err
			break
		}
		p.counts.Started++
		p.join(w.worker)
		p.drivers.Add(1)
		go d.drive(w)
	}
	go p.keepBooks()
	go p.finish()
	if failed != nil {
		p.halt(failed)
		<-p.gone
	}
	return failed
}

// finish sees the last worker off.
func (p *Pool) finish() {
	<-p.left
	p.drivers.Wait()
	close(p.ended)
	p.lookout.Wake()
	close(p.gone)
}

func withMaxProcs(env []string, workers int) []string {
	for _, v := range env {
		if strings.HasPrefix(v, "GOMAXPROCS=") {
			return env
		}
	}
	return append(env[:len(env):len(env)], fmt.Sprintf("GOMAXPROCS=%d", max(1, NumCPU()/workers)))
}

// Workers is the number of workers.
func (p *Pool) Workers() int { return p.places }

// PoolStats counts what a pool has done.
type PoolStats struct {
	Workers int // processes that are alive
	Started int // processes that were ever started
	Died    int // of those, how many died before the pool was closed
	Tasks   int // calls taken in
	Done    int // of those, how many have returned
	Failed  int // and how many have failed
}

// Stats counts.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.counts
	s.Workers = len(p.workers)
	return s
}

// Close takes no more tasks, waits until those that were taken are done, and
// ends the workers. Closing again waits, too, and is no error. It returns the
// error that made the pool give up, if one did. Python: close and join.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed == nil {
		p.closed = ErrPoolClosed
	}
	for p.inflight > 0 {
		p.quiet.Wait()
	}
	p.dismiss()
	p.mu.Unlock()
	return p.wait()
}

// dismiss ends the workers when they have done what they have. mu is held.
func (p *Pool) dismiss() {
	p.leaving.Do(func() { close(p.left) })
	p.over = true
	for _, w := range p.workers {
		w.dismissed = true
		w.leave()
	}
}

// Stop ends the pool now: tasks that are waiting or running fail with
// ErrPoolClosed, running ones get their context cancelled and are killed if they
// have not returned after the grace. Python: terminate and join.
func (p *Pool) Stop() error {
	p.halt(ErrPoolClosed)
	return p.wait()
}

// wait waits until the last worker is gone.
func (p *Pool) wait() error {
	<-p.gone
	p.unwatch()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// halt lets every task fail with why, and the workers end.
func (p *Pool) halt(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failAll(why)
	for _, w := range p.workers {
		w.stop()
	}
	p.dismiss()
}

// earlyDeaths is how many misfortunes in a row, beside one for each place, are too
// many.
const earlyDeaths = 5

// A worker that has begun no task and lived less than this was of no use.
const tooYoung = time.Second

// mourn counts a worker that is gone. mu is not held.
func (p *Pool) mourn(w *hired) {
	p.mu.Lock()
	if !w.dismissed {
		p.counts.Died++
	}
	young := !w.up || time.Since(w.since) < tooYoung
	switch {
	case w.useful:
		p.early = 0
	case w.dismissed && w.sick == nil:
	case young:
		p.mu.Unlock()
		p.mishap(w.ending())
		return
	}
	p.mu.Unlock()
}

// mishap counts a worker that was of no use, or could not be started. If there were
// too many in a row, the pool gives up.
func (p *Pool) mishap(err error) {
	p.mu.Lock()
	p.early++
	n := p.early
	if n > p.places+earlyDeaths && p.failed == nil {
		p.failed = fmt.Errorf("mp: %w: %d in a row were of no use before they began a task, the last with: %w", ErrCrashLoop, n, err)
	}
	err = p.failed
	p.mu.Unlock()
	if err != nil {
		p.halt(err)
	}
}

const (
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

// pause is how long to wait before the next worker is hired.
func (p *Pool) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.early == 0 {
		return 0
	}
	return min(maxPause, firstPause<<min(p.early-1, 10))
}
