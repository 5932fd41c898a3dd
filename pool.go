package mp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mpgo/mp/shm"
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
	options poolOptions
	hire    func(name string) (*hired, error)
	carried *shm.Object // keeps what the initializer's argument speaks of; or nil
	drivers sync.WaitGroup
	unwatch func() bool

	resizing sync.Mutex // one at a time

	leaving sync.Once     // guards the closing of
	left    chan struct{} // no place is staffed any more
	gone    chan struct{} // closed when the last worker is

	// Guarded by mu.
	list   []*driver // of the places
	failed error     // why the pool gave up
	early  int       // misfortunes in a row, see mishap

	fruitless int // of those, how many since a call has returned
	doneThen  int // calls that had returned at the last one
}

// NewPool starts a pool of worker processes; 0 workers stands for NumCPU. It
// returns as soon as they are started, or, if there is an initializer or
// WithWarmStart, as soon as they are ready. When ctx ends, the pool is stopped.
//
// Errors: those of Func.Start, ErrNotInitialized among them; a negative number of
// workers, or an option that makes no sense; ErrTooLarge for more workers than a tree
// can have processes; and the initializer's. Nothing is left then.
func NewPool(ctx context.Context, workers int, opts ...PoolOption) (*Pool, error) {
	if workers < 0 {
		return nil, fmt.Errorf("mp: a pool of %d workers; it cannot be negative, and 0 stands for the number of CPUs", workers)
	}
	if err := mayStart(ctx); err != nil {
		return nil, fmt.Errorf("mp: a pool: %w", err)
	}
	return makePool(ctx, workers, opts, (*Pool).hireProcess)
}

// NewLocalPool is NewPool with goroutines of this process for workers: for tests, and
// for finding out what processes cost. Arguments and results are encoded and decoded
// as if they went to another process, so that what would not arrive there does not
// here; an error is a *RemoteError, a panic a *PanicError.
//
// What ends a process ends all here: os.Exit, a fatal error of the runtime. A
// goroutine cannot be killed: a call that was given up and does not return is left
// alone, and another worker takes the place. Options that are about processes do
// nothing. Init is not needed. Python: ThreadPool, multiprocessing.dummy.
func NewLocalPool(ctx context.Context, workers int, opts ...PoolOption) (*Pool, error) {
	if workers < 0 {
		return nil, fmt.Errorf("mp: a pool of %d workers; it cannot be negative, and 0 stands for the number of CPUs", workers)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("mp: a pool: %w", err)
	}
	return makePool(ctx, workers, opts, (*Pool).hireGoroutine)
}

func makePool(ctx context.Context, workers int, opts []PoolOption, hire func(*Pool, string) (*hired, error)) (*Pool, error) {
	if workers == 0 {
		workers = NumCPU()
	}
	if workers > shm.MaxProcesses {
		return nil, tooManyWorkers(workers)
	}
	o, err := collectPoolOptions(opts)
	if err != nil {
		return nil, err
	}
	a, err := arena()
	if err != nil {
		return nil, err
	}
	p := &Pool{poolLedger: newLedger(a), options: o, left: make(chan struct{}), gone: make(chan struct{})}
	p.options.env = withMaxProcs(o.env, workers)
	p.hire = func(name string) (*hired, error) { return hire(p, name) }
	p.grace, p.retries, p.timeout, p.atLeast = o.grace, o.retries, o.timeout, o.spin
	if p.carried, err = o.keep(a); err == nil {
		err = p.open(ctx, workers)
	}
	if err != nil {
		return nil, fmt.Errorf("mp: a pool of %d workers: %w", workers, err)
	}
	p.unwatch = context.AfterFunc(ctx, func() { p.halt(fmt.Errorf("%w: %w", ErrPoolClosed, context.Cause(ctx))) })
	return p, nil
}

// open starts the workers, all or none.
func (p *Pool) open(ctx context.Context, workers int) error {
	go p.keepBooks()
	go p.finish()
	first, err := p.grow(workers)
	if err == nil && (p.options.warm || p.options.init != nil) {
		err = p.awaitReady(ctx, first)
	}
	if err != nil {
		p.halt(err)
		<-p.gone
	}
	return err
}

// grow adds n places and their workers.
func (p *Pool) grow(n int) (workers []*hired, err error) {
	for range n {
		p.mu.Lock()
		d := &driver{pool: p, name: fmt.Sprintf("worker-%d", len(p.list)+1), quit: make(chan struct{})}
		p.mu.Unlock()
		w, err := p.hire(d.name)
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
		p.mu.Lock()
		if p.over { // and finish may have seen the last driver end
			p.mu.Unlock()
			w.staff.kill()
			<-w.staff.gone()
			w.close()
			w.clear()
			return workers, ErrPoolClosed
		}
		p.list = append(p.list, d)
		p.places++
		p.drivers.Add(1)
		p.mu.Unlock()
		d.join(w)
		go d.drive(w)
	}
	return workers, nil
}

// awaitReady waits until the workers are ready. The error is an initializer's, or says
// how a worker ended before it was.
func (p *Pool) awaitReady(ctx context.Context, workers []*hired) error {
	for _, w := range workers {
		select {
		case <-w.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		p.mu.Lock()
		up, sick := w.up, w.sick
		p.mu.Unlock()
		if sick != nil {
			return sick
		}
		if !up && !w.interrupted() {
			return w.ending()
		}
	}
	return nil
}

// interrupted reports whether it was Ctrl-C that ended a worker, which can only be before
// it came to ignore that. What Ctrl-C means is for this process to say; until then another
// worker takes the place.
func (w *hired) interrupted() bool {
	var death *WorkerDiedError
	return errors.As(w.staff.death(), &death) && death.Signal == syscall.SIGINT
}

// finish sees the last worker off.
func (p *Pool) finish() {
	<-p.left
	p.drivers.Wait()
	p.watchdog.Stop()
	close(p.ended)
	p.lookout.Wake()
	if p.carried != nil {
		p.carried.Close()
	}
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

// tooManyWorkers is about a pool that no tree of processes has room for.
func tooManyWorkers(n int) error {
	return fmt.Errorf("mp: a pool of %d workers, in a tree of %d processes at most: %w", n, shm.MaxProcesses, ErrTooLarge)
}

// Workers is the number of workers that the pool has, or is about to have.
func (p *Pool) Workers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.places
}

// Resize makes the number of workers n; 0 stands for NumCPU. Of those that are too
// many each ends when it has done its call. ErrPoolClosed after Close or Stop; if not
// all that are missing can be started, there are fewer, and the error says why.
// Python has none; loky: get_reusable_executor with another max_workers.
func (p *Pool) Resize(n int) error {
	switch {
	case n < 0:
		return fmt.Errorf("mp: a pool of %d workers; it cannot be negative, and 0 stands for the number of CPUs", n)
	case n == 0:
		n = NumCPU()
	case n > shm.MaxProcesses:
		return tooManyWorkers(n)
	}
	p.resizing.Lock()
	defer p.resizing.Unlock()
	p.mu.Lock()
	closed, missing := p.closed, n-p.places
	for closed == nil && p.places > n {
		d := p.list[len(p.list)-1]
		p.list = p.list[:len(p.list)-1]
		p.places--
		d.resign()
	}
	p.mu.Unlock()
	if closed != nil {
		return closed
	}
	if _, err := p.grow(missing); err != nil {
		return fmt.Errorf("mp: a pool of %d workers: %w", n, err)
	}
	return nil
}

// PoolStats counts what a pool has done.
type PoolStats struct {
	Workers int // processes that are alive
	Started int // processes that were ever started
	Died    int // of those, how many died before the pool was closed
	Tasks   int // calls taken in
	Done    int // of those, how many have returned
	Failed  int // and how many have failed
	Busy    int // workers that have something to do
	Waiting int // calls that no worker has yet
}

// Stats counts.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.counts
	s.Workers = len(p.workers)
	for _, w := range p.workers {
		if w.load > 0 {
			s.Busy++
		}
	}
	for _, t := range p.backlog.all() {
		s.Waiting += t.count
	}
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

// Wait waits until the pool has ended, which Close, Stop, the end of its context or a
// crash loop make it, and the last worker is gone; or until ctx ends. It returns the
// error that made the pool give up, if one did, or ctx's. Python: join.
func (p *Pool) Wait(ctx context.Context) error {
	select {
	case <-p.gone:
		return p.wait()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// String is the pool's state and size.
func (p *Pool) String() string {
	s := p.Stats()
	state := "running"
	select {
	case <-p.gone:
		state = "ended"
	case <-p.left:
		state = "ending"
	default:
	}
	return fmt.Sprintf("pool of %d workers, %s: %d busy, %d calls waiting, %d done, %d failed, %d workers died",
		p.Workers(), state, s.Busy, s.Waiting, s.Done, s.Failed, s.Died)
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

// countDeath counts a worker that is gone. It comes before the call that the worker was
// at fails: whoever is told of a death finds it in Stats. mu is not held.
func (p *Pool) countDeath(w *hired) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.dismissed {
		p.counts.Died++
	}
}

// mourn looks whether a worker that is gone was of any use. mu is not held.
func (p *Pool) mourn(w *hired) {
	p.mu.Lock()
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
// too many in a row, and no call has returned meanwhile, the pool gives up.
func (p *Pool) mishap(err error) {
	p.mu.Lock()
	if p.counts.Done != p.doneThen {
		p.doneThen, p.fruitless = p.counts.Done, 0
	}
	p.early++
	p.fruitless++
	if n := p.fruitless; n > p.places+earlyDeaths && p.failed == nil {
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
