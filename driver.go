package mp

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A driver is the parent's half of one worker: a goroutine that gives it tasks,
// one at a time, and knows which one it has. The worker's process may die at any
// time; the driver then starts another.
type driver struct {
	pool  *Pool
	index int

	link   *link
	gone   context.Context // ends with the process
	useful bool            // the process has begun a task

	mu   sync.Mutex
	proc *Process // written by the driver alone, so it reads it without mu
	id   uint64   // of the task the worker has; ids are never reused
	task *task    // nil while it has none
}

// drive is the driver's life.
func (d *driver) drive() {
	defer d.pool.drivers.Done()
	for d.pool.working() {
		if err := d.staff(); err != nil {
			d.pool.fail(err)
			return
		}
		if t := d.pool.backlog.take(d.alive); t != nil {
			d.do(t)
		} else if d.alive() {
			break // closed and nothing left
		}
	}
	d.dismiss()
}

func (d *driver) alive() bool { return d.proc.Alive() }

// staff sees to it that there is a living worker.
func (d *driver) staff() error {
	if d.proc != nil && d.alive() {
		return nil
	}
	if d.proc != nil {
		if err := d.pool.mourn(d); err != nil {
			return err
		}
		d.clear()
	}
	return d.hire()
}

// hire starts a worker.
func (d *driver) hire() error {
	l, err := newLink()
	if err != nil {
		return err
	}
	opts := append(d.pool.processOptions(d.index), drainedByPool, ownedBy(d.pool))
	p, err := workerMain.start(context.Background(), workerArg{l}, opts)
	if err != nil {
		_ = l.free()
		return err
	}
	gone, cancel := context.WithCancel(context.Background())
	d.link, d.gone, d.useful = l, gone, false
	d.setProc(p)
	go func() {
		<-p.done
		cancel()
		d.pool.backlog.kick()
	}()
	return nil
}

// drainedByPool leaves what a dead worker has sent to its driver.
func drainedByPool(o *processOptions) { o.drained = true }

// clear gives back what a dead worker leaves, after its answers were read.
func (d *driver) clear() {
	d.proc.news.arena.DropUndelivered(d.proc.inc)
	_ = d.link.free()
	d.setProc(nil)
}

func (d *driver) setProc(p *Process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.proc = p
}

// dismiss ends the worker.
func (d *driver) dismiss() {
	_ = d.link.view.requests.Close()
	timer := time.NewTimer(d.pool.grace)
	defer timer.Stop()
	select {
	case <-d.proc.done:
	case <-timer.C:
		_ = d.proc.Kill()
		<-d.proc.done
	}
	d.pool.ended.Add(1)
	d.clear()
}

// do has the worker do one task.
func (d *driver) do(t *task) {
	id := d.assign(t)
	defer d.unassign()
	stop := context.AfterFunc(t.ctx, func() { d.cancel(id) })
	defer stop()
	e := envelope{id: id, typ: t.typ, fn: t.fn, body: t.arg}
	err := e.send(d.gone, d.proc.news.arena, d.link.view.requests, d.proc.inc, t.handles)
	t.letGo()
	if err != nil {
		if d.gone.Err() != nil {
			d.pool.backlog.putBack(t)
			return
		}
		t.finish(nil, fmt.Errorf("mp: call %q: %w", t.fn, err))
		return
	}
	d.await(t, id)
}

// await waits for the worker's answer to the task, or its death.
func (d *driver) await(t *task, id uint64) {
	for {
		e, err := d.receive()
		if err != nil {
			d.lost(t, err)
			return
		}
		if e.id != id {
			e.close() // nobody asked for it
			continue
		}
		d.useful = true
		t.finish(e, nil)
		e.close() // if nobody wanted it any more
		return
	}
}

// receive takes the next answer, also if the worker died after it.
func (d *driver) receive() (*envelope, error) {
	cell, err := d.link.view.answers.Take(d.gone)
	if err != nil && d.gone.Err() != nil {
		cell, err = d.link.view.answers.TryTake()
	}
	if err != nil {
		return nil, err
	}
	return open(d.proc.news.arena, cell)
}

// lost sees to the task of a worker that did not answer.
func (d *driver) lost(t *task, err error) {
	if d.gone.Err() == nil {
		// The link is damaged; a worker behind it is of no use.
		_ = d.proc.Kill()
		<-d.proc.done
		t.finish(nil, fmt.Errorf("mp: call %q: %w", t.fn, err))
		return
	}
	unread := d.unread()
	if unread && t.attempt < maxAttempts {
		d.pool.backlog.putBack(t)
		return
	}
	d.useful = !unread // or deaths before the first task would count as work
	exit := d.proc.exit
	t.finish(nil, &WorkerDiedError{
		PID: d.proc.PID(), Signal: exit.Signal, ExitCode: exit.Code, Func: t.fn, Attempt: t.attempt, OOM: exit.OOM, Stderr: exit.Crash,
	})
}

// maxAttempts bounds how many workers may die between taking a task and
// beginning it.
const maxAttempts = 3

// unread reports whether the dead worker never began the task: the request is
// still in the ring.
func (d *driver) unread() bool {
	cell, err := d.link.view.requests.TryTake()
	if err != nil {
		return false
	}
	cell.Release()
	return true
}

func (d *driver) assign(t *task) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.id++
	d.task = t
	return d.id
}

func (d *driver) unassign() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.task = nil
}

// has reports whether the worker still has the task with this id.
func (d *driver) has(id uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.task != nil && d.id == id
}

// cancel ends the task's context in the worker, and after the grace the worker.
func (d *driver) cancel(id uint64) {
	d.mu.Lock()
	proc := d.proc
	current := d.task != nil && d.id == id
	d.mu.Unlock()
	if !current || proc == nil {
		return
	}
	_ = proc.child.Command(commandCancelTask, id)
	time.AfterFunc(d.pool.grace, func() {
		if d.has(id) {
			_ = proc.Kill()
		}
	})
}

// abort makes the worker's task fail now and ends the worker.
func (d *driver) abort(why error) {
	d.mu.Lock()
	t, id := d.task, d.id
	d.mu.Unlock()
	if t != nil {
		t.finish(nil, why)
		d.cancel(id)
	}
}
