package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/internal/child"
	"github.com/mpgo/mp/internal/keeper"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/shm"
)

// initialized tells that Init ran here, so that children of this process will
// not run the program's main.
var initialized atomic.Bool

// self is what this process is. In a child Init writes it, before anything else
// runs that could read it.
var self = struct {
	is       bool // a child
	info     ProcessInfo
	parent   ProcessInfo
	detached bool
	orphaned chan struct{} // closed when the parent is gone
	files    []*os.File
	depth    int // generations that there may be below
}{depth: maxDepth}

// maxDepth is how many generations there may be below the first process. A program
// has few; a mistake that starts processes without end meets the limit early.
const maxDepth = 64

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
// can see its context end. The kernel ends it a little later if it is so busy that no
// goroutine of ours has its turn.
const (
	orphanGrace  = 20 * time.Millisecond
	orphanExcess = 2 * time.Millisecond
)

// live is a child's life; it returns the exit code.
func live(me child.Self) int {
	n, err := grow(me)
	if err != nil {
		if !errors.Is(err, shm.ErrWithdrawn) { // that the parent knows, or is dead
			fmt.Fprintln(os.Stderr, err)
		}
		return exitUnborn
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go obey(me, cancel)
	ans := guarded(func() answer { return n.work(ctx) })
	sent := n.reply(self.parent.incarnation, ans)
	<-runExitHooks()
	switch {
	case ans.bytes[0] == answerPanic:
		return exitPanic
	case ans.bytes[0] == answerError || !sent:
		return exitError
	}
	return exitDone
}

// grow maps the arena and finds out who this process is.
func grow(me child.Self) (*newborn, error) {
	id, ref, nonce, err := parseMarker(me.Marker)
	if err != nil {
		return nil, err
	}
	tree.door.Store(keeper.NewDoor(me.Door)) // who has joined may have to bury others
	a, err := shm.Attach(me.Arena, id)
	if err != nil {
		return nil, fmt.Errorf("mp: this process cannot join its parent's shared memory: %w", err)
	}
	inherit(a)
	n, err := findBirth(a, ref, nonce)
	if err != nil {
		return nil, err
	}
	n.read()
	self.is = true
	self.orphaned = make(chan struct{})
	self.info = ProcessInfo{PID: os.Getpid(), Name: n.Name, incarnation: a.Self()}
	self.parent = ProcessInfo{PID: os.Getppid(), Name: n.Parent, incarnation: a.Parent(), done: self.orphaned}
	self.files, self.depth, self.detached = me.Files, n.Depth, n.Detached
	inheritLog(n.Log)
	return n, nil
}

// Commands of a parent.
const (
	commandCancel     = 'c' // ends the context of the child's function
	commandCancelTask = 't' // ends the context of the pool task that the operand names
)

// obey does what the parent says, and when there is no parent ends this process,
// unless it is detached.
func obey(me child.Self, cancel context.CancelCauseFunc) {
	me.Commands(func(verb byte, operand uint64) {
		switch verb {
		case commandCancel:
			cancel(context.Canceled)
		case commandCancelTask:
			cancelTask(operand)
		}
	})
	close(self.orphaned)
	if self.detached {
		return
	}
	_ = sys.KillAfter(orphanTime() + orphanExcess) // without that it takes longer, if it is busy
	cancel(ErrParentDied)
	time.Sleep(orphanGrace) // the function's time, not a wait for anything
	select {
	case <-runExitHooks():
	case <-time.After(exitHookGrace):
	}
	os.Exit(exitError)
}

// orphanTime is how long this process may go on without its parent.
func orphanTime() time.Duration {
	if hasExitHooks() {
		return orphanGrace + exitHookGrace
	}
	return orphanGrace
}

// work does what the letter says.
func (n *newborn) work(ctx context.Context) answer {
	if n.unread != nil {
		return errorAnswer(n.unread)
	}
	run, err := n.prepare()
	n.parcel.Close() // what the argument speaks of has handles of its own by now
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
	if err := limitMemory(n.Memory); err != nil {
		return nil, err
	}
	arg := n.Arg
	n.Arg = nil
	return f.prepare(arg)
}

// limitMemory makes the system and the garbage collector keep to the limit.
func limitMemory(bytes int64) error {
	if bytes == 0 {
		return nil
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes / 10 * 9)
	}
	return sys.LimitData(bytes)
}
