package mp

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"time"
)

// A driver keeps one place of a pool staffed: a goroutine that hires a worker, waits
// until it is gone, settles what it leaves, and hires the next. Giving out tasks is
// the ledger's affair.
type driver struct {
	pool *Pool
	name string
	quit chan struct{} // closed when the place is given up

	// Guarded by the ledger's mutex.
	worker   *worker
	resigned bool
}

// A hired worker has what has to be given back when it is gone.
type hired struct {
	*worker
	clear func()
	since time.Time
}

// join hands a new worker to the ledger.
func (d *driver) join(w *hired) {
	p := d.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Started++
	w.quota = p.options.tasks
	d.worker = w.worker
	p.join(w.worker)
	if d.resigned {
		w.retire()
	}
}

// resign gives the place up. mu is held.
func (d *driver) resign() {
	d.resigned = true
	close(d.quit)
	if d.worker != nil {
		d.worker.retire()
		d.pool.dispatch()
	}
}

// drive is the driver's life, from its first worker on.
func (d *driver) drive(w *hired) {
	defer d.pool.drivers.Done()
	for w != nil {
		d.watch(w)
		d.pool.countDeath(w)
		d.pool.bury(w.worker, d.pool.died(w))
		w.clear()
		d.pool.mourn(w)
		last := w
		if w = d.replace(w.spared); w != nil {
			Logger().Debug("mp: pool's worker replaced", "name", d.name, "err", last.ending())
		}
	}
}

// watch waits until the worker is gone, and retires it when it is too old or has been
// idle for too long. Both count from when it is ready: one that took longer to start
// than it may live would never do anything.
func (d *driver) watch(w *hired) {
	o := d.pool.options
	select {
	case <-w.ready:
	case <-w.staff.gone():
		return
	}
	old := alarm(o.age)
	idle := alarm(o.idle)
	defer old.Stop()
	defer idle.Stop()
	for {
		select {
		case <-w.staff.gone():
			return
		case <-old.C:
			d.pool.dismissWorker(w.worker)
		case <-idle.C:
			if left := d.pool.spare(w.worker, o.idle); left > 0 {
				idle.Reset(left)
			}
		}
	}
}

// alarm is a timer, which never fires if d is 0.
func alarm(d time.Duration) *time.Timer {
	if d == 0 {
		d = math.MaxInt64
	}
	return time.NewTimer(d)
}

// replace hires the next worker, and tries until it succeeds, or the pool gives up. It
// returns nil when none is needed. If lazily, it waits for work first.
func (d *driver) replace(lazily bool) *hired {
	if lazily && !d.awaitWork() {
		return nil
	}
	for d.pause() {
		w, err := d.pool.hire(d.name)
		if err == nil {
			d.join(w)
			return w
		}
		d.pool.mishap(err)
	}
	return nil
}

// awaitWork waits until there is more to do than others can.
func (d *driver) awaitWork() bool {
	defer d.pool.noVacancy()
	select {
	case <-d.pool.wanted:
		return true
	case <-d.quit:
	case <-d.pool.left:
	}
	return false
}

// pause waits as long as the last misfortunes advise, and reports whether a worker is
// needed then.
func (d *driver) pause() bool {
	timer := time.NewTimer(d.pool.pause())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.quit:
	case <-d.pool.left:
	}
	select {
	case <-d.quit:
		return false
	case <-d.pool.left:
		return false
	default:
		return true
	}
}

// A worker's process runs this function: it does what comes through its link until
// the pool closes it.
var workerMain = Register("mp.worker", func(ctx context.Context, in workerArg) (struct{}, error) {
	// The terminal's Ctrl-C goes to everybody; what it means is the parent's to say.
	signal.Ignore(os.Interrupt)
	defer runtime.KeepAlive(in.Link) // its memory is used as long as this process does anything
	a := in.Link.obj.Arena()
	s, err := newServer(ctx, a, a.Parent(), in.Link.view)
	if err != nil {
		return struct{}{}, err
	}
	s.link, s.init, s.growth = in.Link.obj, in.Init, in.Growth
	serving.Store(s)
	return struct{}{}, s.serve()
})

type workerArg struct {
	Link   *link
	Init   *initializer
	Growth int64
}

// serving is the server of this process, if it is a worker.
var serving atomic.Pointer[server]

// cancelTask ends the context of an element, when the parent says so.
func cancelTask(number uint64) {
	if s := serving.Load(); s != nil {
		s.cancel(uint32(number))
	}
}

// hireProcess starts a worker in a process of its own.
func (p *Pool) hireProcess(name string) (*hired, error) {
	l, err := newLink()
	if err != nil {
		return nil, err
	}
	opts := []ProcessOption{WithName(name), WithEnv(p.options.env...), WithGrace(p.grace), drainedByPool, ownedBy(p)}
	proc, err := workerMain.start(context.Background(), workerArg{l, p.options.init, p.options.growth}, opts)
	if err != nil {
		_ = l.free()
		return nil, err
	}
	a := proc.news.arena
	staff := &workerProcess{proc: proc}
	w, err := newWorker(p.poolLedger, a, l.view, staff)
	if err != nil { // which it cannot, in memory that is new
		staff.kill()
		<-proc.done
		_ = l.free()
		return nil, err
	}
	w.link = l.obj
	clear := func() {
		a.DropUndelivered(proc.inc)
		_ = l.free()
	}
	return &hired{w, clear, time.Now()}, nil
}

// drainedByPool leaves what a dead worker has sent to the pool.
func drainedByPool(o *processOptions) { o.drained = true }

// A workerProcess is the staff of a worker that is a process.
type workerProcess struct {
	proc   *Process
	number atomic.Uint32 // of the element to cancel
}

// cancel does not wait: the pipe to a process that does not read may be full.
func (s *workerProcess) cancel(number uint32) {
	s.number.Store(number)
	go func() { _ = s.proc.child.Command(commandCancelTask, uint64(s.number.Load())) }()
}

func (s *workerProcess) cancelAll() {
	go func() { _ = s.proc.child.Command(commandCancel, 0) }()
}

func (s *workerProcess) kill()                 { _ = s.proc.Kill() }
func (s *workerProcess) gone() <-chan struct{} { return s.proc.done }

func (s *workerProcess) death() error {
	exit := s.proc.exit
	return &WorkerDiedError{PID: s.proc.PID(), Signal: exit.Signal, ExitCode: exit.Code, OOM: exit.OOM, Stderr: exit.Crash}
}

func (s *workerProcess) ending() error { return s.proc.ending() }

// ending is why the worker is gone, and why that was.
func (w *hired) ending() error {
	switch {
	case w.sick != nil:
		return w.sick
	case w.broken != nil:
		return fmt.Errorf("%w: %w", w.broken, w.staff.ending())
	}
	return w.staff.ending()
}

// died is the error of a call that the worker was at.
func (p *Pool) died(w *hired) error {
	death := w.staff.death()
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.broken != nil {
		death = fmt.Errorf("%w: %w", w.broken, death)
	}
	return death
}

// dismissWorker lets a worker end when it has done its call.
func (p *Pool) dismissWorker(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.retire()
	p.dispatch()
}

// spare dismisses a worker that has had nothing to do for the time idle; else it
// returns how long it may still have.
func (p *Pool) spare(w *worker, idle time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.load > 0 || !w.up {
		return idle
	}
	if left := idle - w.quietFor(now()); left > 0 {
		return left
	}
	if p.backlog.length() == 0 && !w.dismissed {
		w.spared = true
		p.vacant++
	}
	w.retire()
	return 0
}

// noVacancy notes that a place is staffed again, or given up.
func (p *Pool) noVacancy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vacant--
}
