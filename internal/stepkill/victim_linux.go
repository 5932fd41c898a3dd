package stepkill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/mpgo/mp/internal/sys"
)

// hangs is how long one instruction may take before the victim is killed: it waits
// for somebody who stands still.
const hangs = 20 * time.Second

// ErrStuck: an instruction of the victim did not end. It was a system call that
// waits.
var ErrStuck = errors.New("the stepped thread sleeps")

// A Victim is a process that is stepped through an operation, and killed. All its
// methods must be called by the goroutine that called Take, locked to its thread.
type Victim struct {
	process int
	thread  int
	seized  []int // threads, that of the operation first
	over    bool
}

// Take takes the thread that a child of this process has offered, as soon as that
// waits, and stops all others of the child.
func Take(process, thread int) (*Victim, error) {
	v := &Victim{process: process, thread: thread, seized: []int{thread}}
	if err := sys.SeizeThread(thread); err != nil {
		return nil, err
	}
	if err := v.awaitWaiting(thread); err != nil { // for input
		return nil, err
	}
	for { // again, as long as threads make threads
		begun := len(v.seized)
		if err := v.seizeOthers(); err != nil {
			return nil, err
		}
		if len(v.seized) == begun {
			return v, nil
		}
	}
}

// awaitWaiting waits until a thread waits in the kernel. It then holds nothing of Go's
// runtime, and needs nobody of it to go on: one that stood still in the middle of
// something could keep the stepped thread waiting for ever.
func (v *Victim) awaitWaiting(thread int) error {
	for deadline := time.Now().Add(hangs); ; runtime.Gosched() {
		waits, err := sys.ThreadWaits(v.process, thread)
		if waits || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("stepkill: thread %d of process %d does not come to rest", thread, v.process)
		}
	}
}

// seizeOthers stops the threads that were not stopped yet.
func (v *Victim) seizeOthers() error {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", v.process))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		thread, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			return err
		}
		if err := v.seize(thread); err != nil {
			return err
		}
	}
	return nil
}

func (v *Victim) seize(thread int) error {
	if thread == v.process || slices.Contains(v.seized, thread) {
		return nil
	}
	err := sys.SeizeThread(thread)
	if err == nil {
		v.seized = append(v.seized, thread)
		err = v.stopWaiting(thread)
	}
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrNotExist) {
		return nil // it has ended
	}
	return err
}

// stopWaiting stops a seized thread at a moment when it waits.
func (v *Victim) stopWaiting(thread int) error {
	for {
		if err := v.awaitWaiting(thread); err != nil {
			return err
		}
		if err := sys.InterruptThread(thread); err != nil {
			return err
		}
		if _, err := sys.AwaitStop(thread); err != nil {
			return err
		}
		waits, err := sys.ThreadWaits(v.process, thread)
		if waits || err != nil {
			return err
		}
		if err := sys.ResumeThread(thread); err != nil { // it went on meanwhile
			return err
		}
	}
}

// Begin waits until the operation begins. The victim must have been told that it is
// taken.
func (v *Victim) Begin() error {
	if sig, err := v.await(); err != nil || sig != beginning {
		return fmt.Errorf("stepkill: the operation does not begin: signal %d, %w", sig, err)
	}
	return nil
}

// Step executes up to n instructions of the operation, and returns how many it did.
// There are fewer when the operation is over, and with ErrStuck, when the victim is
// dead.
func (v *Victim) Step(n int) (done int, err error) {
	for ; done < n && !v.over; done++ {
		if err := sys.StepThread(v.thread); err != nil {
			return done, err
		}
		sig, err := v.await()
		switch {
		case err != nil:
			return done, err
		case sig == ending:
			v.over = true
		case sig != syscall.SIGTRAP:
			return done, unexpected(sig)
		}
	}
	return done, nil
}

// Follow executes the first k instructions of the operation, where another victim went
// before: at full speed up to the last landmark on the path, step by step from there. If
// this victim goes another way, which happens where Go's allocator has to look for memory
// in one and not in another, it may miss the landmark, and the operation is over.
func (v *Victim) Follow(p *Path, k int) error {
	n, pc := p.landmark(k)
	if n > 0 {
		err := v.runTo(pc)
		if errors.Is(err, errors.ErrUnsupported) {
			n, err = 0, nil
		}
		if err != nil {
			return err
		}
	}
	_, err := v.Step(k - n)
	return err
}

// runTo has the thread run until it is about to execute what is at pc.
func (v *Victim) runTo(pc uint64) error {
	if err := sys.RunThread(v.thread, pc); err != nil {
		return err
	}
	sig, err := v.await()
	switch {
	case err != nil:
		return err
	case sig == ending:
		v.over = true
	case sig != syscall.SIGTRAP:
		return unexpected(sig)
	}
	return sys.ClearThread(v.thread)
}

func unexpected(sig syscall.Signal) error {
	return fmt.Errorf("stepkill: the victim got signal %d", sig)
}

// Over reports whether the operation is over.
func (v *Victim) Over() bool { return v.over }

// await waits until the thread stops.
func (v *Victim) await() (syscall.Signal, error) {
	watch := time.AfterFunc(hangs, func() { _ = syscall.Kill(v.process, syscall.SIGKILL) })
	sig, err := sys.AwaitStop(v.thread)
	watch.Stop()
	if err == nil && sig == 0 {
		v.seized = v.seized[1:] // it has ended, and is not waited for again
		err = ErrStuck
	}
	return sig, err
}

// Kill kills the victim. What the kernel keeps of its threads for their tracer goes
// with them; the process itself remains to be waited for by whoever started it.
func (v *Victim) Kill() error {
	p, err := os.FindProcess(v.process)
	if err == nil {
		err = p.Kill()
	}
	if errors.Is(err, os.ErrProcessDone) {
		err = nil // it was killed when it was stuck
	}
	for _, thread := range v.seized {
		for sig := syscall.SIGKILL; sig != 0 && err == nil; {
			sig, err = sys.AwaitStop(thread)
		}
	}
	return err
}
