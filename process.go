package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/shm"
)

// A Process is a child process that runs one registered function. Python's
// counterpart is multiprocessing.Process after start.
type Process struct {
	name  string
	fn    string
	child *child.Process
	inc   shm.Incarnation
	news  *delivery
	grace time.Duration

	drained  bool // from the start: somebody else reads what it sent, and drops the rest
	detached bool
	owner    owner // or nil
	released atomic.Bool

	settled chan struct{} // closed when the starter looks at the birth block no more
	done    chan struct{} // closed when the process and all it was are gone

	// Written before done is closed.
	exit child.Exit
	born bool // it got as far as Init
	err  error

	// The answer of a process that Run waits for, who closes the parcel. Written
	// before done is closed.
	kept   bool // from the start: somebody wants it
	parcel *shm.Object
	answer []byte
}

// watch waits for the end of the process, buries it, and tells what became of it.
func (p *Process) watch() {
	a := p.news.arena
	a.Expect(p.inc)
	gone := p.child.AwaitEnd() == nil // the proof; the others need not wait for the rest
	if gone {
		a.Bury(p.inc)
	}
	exit, err := p.child.Wait()
	if !gone {
		a.Bury(p.inc) // wait's return is a proof, too
	}
	p.exit = exit
	p.parcel, p.answer = p.news.answer()
	p.born = p.news.opened()
	if !p.drained {
		a.DropUndelivered(p.inc)
	}
	<-p.settled
	p.news.block.Close()
	p.err = p.verdict()
	if err != nil {
		p.err = errors.Join(p.err, err)
	}
	if !p.kept {
		p.forget()
	}
	p.strike()
	Logger().Debug("mp: process ended", "name", p.name, "pid", p.PID(), "func", p.fn, "code", exit.Code, "err", p.err)
	close(p.done)
}

// forget gives the answer back.
func (p *Process) forget() {
	if p.parcel != nil {
		p.parcel.Close()
	}
	p.parcel, p.answer = nil, nil
}

// verdict is nil if the function returned nil and the process ended well.
func (p *Process) verdict() error {
	if p.answer != nil {
		if err := answerErr(p.fn, p.answer); err != nil {
			return err
		}
	}
	switch {
	case p.exit.Code != 0:
		return p.exitError()
	case !p.born:
		return fmt.Errorf("%w, and its program never called mp.Init: %w", p.exitError(), ErrNotInitialized)
	}
	return nil
}

// ending is how the process ended, as an error also if it ended well.
func (p *Process) ending() error {
	if p.err != nil {
		return p.err
	}
	return p.exitError()
}

func (p *Process) exitError() *ExitError {
	return &ExitError{PID: p.PID(), Name: p.name, Func: p.fn, Code: p.exit.Code, Signal: p.exit.Signal, OOM: p.exit.OOM, Crash: p.exit.Crash}
}

// follow ends the process when ctx ends.
func (p *Process) follow(ctx context.Context) {
	stop := context.AfterFunc(ctx, p.end)
	go func() {
		<-p.done
		stop()
	}()
}

// end ends the context of the process's function, and after the grace the process. It
// returns when the process is gone.
func (p *Process) end() {
	_ = p.child.Command(commandCancel, 0)
	timer := time.NewTimer(p.grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.Kill()
		<-p.done
	}
}

// PID is the process id.
func (p *Process) PID() int { return p.child.PID() }

// Name is the process's name, for people.
func (p *Process) Name() string { return p.name }

// Done is closed when the process is gone: all of its threads have ended, its
// locks are known as a dead process's, and its memory has been given back.
func (p *Process) Done() <-chan struct{} { return p.done }

// Alive reports whether the process is not gone yet.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait waits until the process is gone or ctx ends. It returns nil if the
// function returned nil; a *RemoteError if it returned an error; a *PanicError
// if it panicked; an *ExitError if the process was killed or ended by itself
// with a code other than 0; ctx's error if that came first. It can be called
// any number of times. Python: join, and exitcode.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.outcome()
	default:
	}
	select {
	case <-p.done:
		return p.outcome()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WaitAll waits until all of the processes are gone or ctx ends. It returns nil if
// all of their functions returned nil; else what Wait returned for each, joined.
// Python: join, of one after the other.
func WaitAll(ctx context.Context, processes ...*Process) error {
	var failed []error
	for _, p := range processes {
		failed = append(failed, p.Wait(ctx))
		if p.Alive() {
			break // ctx has ended
		}
	}
	return errors.Join(failed...)
}

// outcome is what Wait returns after the end.
func (p *Process) outcome() error {
	if p.released.Load() {
		return fmt.Errorf("mp: %v: %w", p, ErrClosed)
	}
	return p.err
}

// ExitCode is the process's exit code, or minus the number of the signal that
// killed it; exited is false while it is alive.
func (p *Process) ExitCode() (code int, exited bool) {
	if p.Alive() {
		return 0, false
	}
	return p.exit.Code, true
}

// Signal sends a signal to the process; os.ErrProcessDone if it is gone. It never
// reaches another process that was given the same pid.
func (p *Process) Signal(sig os.Signal) error {
	switch {
	case p.released.Load():
		return p.outcome()
	case !p.Alive():
		return os.ErrProcessDone
	}
	return p.child.Signal(sig)
}

// Interrupt sends SIGINT.
func (p *Process) Interrupt() error { return p.Signal(os.Interrupt) }

// Terminate sends SIGTERM. The process's deferred functions do not run.
func (p *Process) Terminate() error { return p.Signal(syscall.SIGTERM) }

// Kill sends SIGKILL. Nobody who shares an object with the process hangs.
func (p *Process) Kill() error { return p.Signal(os.Kill) }

// InterruptTree sends SIGINT to the process and to all its descendants, those that are
// detached too, as Ctrl-C does to what runs in a terminal. A pool's workers leave that
// to their pool. What is said of TerminateTree holds.
func (p *Process) InterruptTree() error { return p.signalTree(syscall.SIGINT) }

// TerminateTree sends SIGTERM to the process and to all its descendants, those that
// are detached too. No birth under way is missed; but a process that does not end on
// SIGTERM may start others later.
func (p *Process) TerminateTree() error { return p.signalTree(syscall.SIGTERM) }

// KillTree sends SIGKILL to the process and to all its descendants, those that are
// detached too, and none of them can start another meanwhile. Kill alone ends the
// descendants that are not detached as well, generation after generation, a moment
// later each; KillTree does not give them that moment.
func (p *Process) KillTree() error { return p.signalTree(syscall.SIGKILL) }

// signalTree is os.ErrProcessDone if neither the process nor any descendant of it is
// left. The process may have died and left detached children.
func (p *Process) signalTree(sig syscall.Signal) error {
	if p.released.Load() {
		return p.outcome()
	}
	gone := false
	reached, err := p.news.arena.SignalTree(p.inc, sig, func() error {
		err := p.Signal(sig)
		gone = errors.Is(err, os.ErrProcessDone)
		if gone {
			return nil
		}
		return err
	})
	if gone && reached == 0 {
		return os.ErrProcessDone
	}
	return err
}

// Release ends the use of a process that has ended: afterwards Wait, Signal and
// those that send a certain signal return ErrClosed. It is ErrAlive before the end,
// and does nothing the second time. Nothing waits for it: descriptors and shared
// memory are given back when the process ends. Python: close.
func (p *Process) Release() error {
	if p.Alive() {
		return fmt.Errorf("mp: release %v: %w", p, ErrAlive)
	}
	p.released.Store(true)
	return nil
}

// String is the process's name, pid and state.
func (p *Process) String() string {
	if code, exited := p.ExitCode(); exited {
		return fmt.Sprintf("process %s (pid %d), %s", p.name, p.PID(), ending(code, p.exit.Signal))
	}
	return fmt.Sprintf("process %s (pid %d), running %q", p.name, p.PID(), p.fn)
}
