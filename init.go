package mp

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/shm"
)

// initialized tells that Init ran here, so that children of this process will
// not run the program's main.
var initialized atomic.Bool

// self is what this process is, if it is a child.
var self struct {
	is     bool
	info   ProcessInfo
	parent ProcessInfo
}

// Init must be the first statement of main, and of TestMain in a package whose
// tests start processes:
//
//	func main() {
//		mp.Init()
//		…
//	}
//
// In a process that was started by this library it runs the function that the
// process was started for, and does not return. In any other process it only
// notes that it was called: Start and NewPool refuse to work before that, because
// their children would run the whole program again.
//
// Python's counterpart is `if __name__ == "__main__"` with freeze_support.
func Init() {
	if initialized.Swap(true) {
		return
	}
	if me, ok := child.Adopt(); ok {
		os.Exit(live(me))
	}
}

// IsChild reports whether this process was started by this library to run a
// registered function.
func IsChild() bool { return self.is || child.Marked() }

// Exit codes of a child. As in Python, an error makes 1; as in Go, a panic 2.
const (
	exitDone   = 0
	exitError  = 1
	exitPanic  = 2
	exitUnborn = 70 // EX_SOFTWARE of sysexits.h: it never got to its function
)

// orphanGrace is how long a child whose parent died goes on, so that its function
// can see its context end.
const orphanGrace = 20 * time.Millisecond

// live is a child's life; it returns the exit code.
func live(me child.Self) int {
	n, err := grow(me)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUnborn
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go obey(me, cancel)
	ans := guarded(func() answer { return n.work(ctx) })
	sent := n.reply(self.parent.incarnation, ans)
	switch {
	case sent && ans.bytes[0] == answerValue:
		return exitDone
	case ans.bytes[0] == answerPanic:
		return exitPanic
	}
	return exitError
}

// grow maps the arena and finds out who this process is.
func grow(me child.Self) (*newborn, error) {
	id, ref, nonce, err := parseMarker(me.Marker)
	if err != nil {
		return nil, err
	}
	a, err := shm.Attach(me.Arena, id)
	if err != nil {
		return nil, fmt.Errorf("mp: a new process cannot join its parent's: %w", err)
	}
	inherit(a)
	n, err := findBirth(a, ref, nonce)
	if err != nil {
		return nil, err
	}
	self.is = true
	self.info = ProcessInfo{PID: os.Getpid(), incarnation: a.Self()}
	self.parent = ProcessInfo{PID: os.Getppid(), incarnation: a.Parent()}
	return n, nil
}

// Commands of a parent.
const (
	commandCancel     = 'c' // ends the context of the child's function
	commandCancelTask = 't' // ends the context of the pool task that the operand names
)

// obey does what the parent says, and ends this process when there is no parent.
func obey(me child.Self, cancel context.CancelCauseFunc) {
	me.Commands(func(verb byte, operand uint64) {
		switch verb {
		case commandCancel:
			cancel(context.Canceled)
		case commandCancelTask:
			cancelTask(operand)
		}
	})
	cancel(ErrParentDied)
	time.Sleep(orphanGrace) // the function's time, not a wait for anything
	os.Exit(exitError)
}

// work does what the letter says.
func (n *newborn) work(ctx context.Context) answer {
	parcel, err := n.read()
	if err != nil {
		return errorAnswer(err)
	}
	self.info.Name = n.Name
	run, err := n.prepare()
	parcel.Close() // what the argument speaks of has handles of its own by now
	if err != nil {
		return errorAnswer(err)
	}
	return run(ctx)
}

// prepare finds what to run, if this program has it, and decodes its argument.
func (n *newborn) prepare() (func(context.Context) answer, error) {
	if err := n.Build.check(); err != nil {
		return nil, err
	}
	f, err := lookup(n.Func, n.Type)
	if err != nil {
		return nil, err
	}
	arg := n.Arg
	n.Arg = nil
	return f.prepare(arg)
}
