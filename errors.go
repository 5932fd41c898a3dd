package mp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/mpgo/mp/internal/keeper"
	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

var (
	// ErrClosed: the object, queue or pool was closed or freed.
	ErrClosed = shm.ErrClosed

	// ErrOwnerDied: the process that held the lock died before it unlocked, so what
	// the lock protects may be half-written. The lock is not held by the caller.
	// Recover repairs and clears the state.
	ErrOwnerDied = ipc.ErrOwnerDied

	// ErrNotLocked: Unlock of a lock that nobody holds.
	ErrNotLocked = ipc.ErrNotLocked

	// ErrNotOwner: Unlock of a lock that another process holds.
	ErrNotOwner = ipc.ErrNotOwner

	// ErrHealthy: Recover of a lock whose owner did not die.
	ErrHealthy = ipc.ErrHealthy

	// ErrOverRelease: Release of a BoundedSemaphore of which this process holds no
	// permit.
	ErrOverRelease = ipc.ErrOverRelease

	// ErrTooMany: a count beyond what the object can hold.
	ErrTooMany = ipc.ErrTooMany

	// ErrTooFew: a count that is too small, such as a barrier of no parties.
	ErrTooFew = ipc.ErrTooFew

	// ErrBrokenBarrier: a party died, gave up or failed, or Abort was called; the
	// parties cannot meet until Reset.
	ErrBrokenBarrier = ipc.ErrBrokenBarrier

	// ErrNotPlain: T of a Value or an Array has a part that is no fixed-size memory,
	// such as a string. The message has the path to it.
	ErrNotPlain = shm.ErrNotPlain

	// ErrUnencodable: a type that would lose data on its way to another process.
	// The message has the path to the part.
	ErrUnencodable = wire.ErrUnencodable

	// ErrTooLarge: a message or an object larger than its destination can ever hold.
	ErrTooLarge = shm.ErrTooLarge

	// ErrForeign: a handle from another program, or of another type of object.
	ErrForeign = shm.ErrForeign

	// ErrFull: TryPut of a queue without a free place. Python: queue.Full.
	ErrFull = ipc.ErrFull

	// ErrEmpty: TryGet of a queue without a message. Python: queue.Empty.
	ErrEmpty = ipc.ErrEmpty

	// ErrPeerDied: nobody has the other end of a pipe any more, and it was not closed:
	// its process died, or the message that carried it was lost. For errors.Is it is
	// an io.EOF too: no more messages come.
	ErrPeerDied = ipc.ErrPeerDied

	// ErrKeeperDied: the first process of the tree is gone, and with it the descriptors
	// of all Files. Only detached processes live to see it.
	ErrKeeperDied = keeper.ErrDied

	// ErrMoved: this process sent the Conn to another one. For errors.Is it is an
	// ErrClosed too: this handle is of no more use.
	ErrMoved error = movedError{}

	// ErrOneWay: Recv of the sending end of a one-way pipe, or Send of the receiving
	// end.
	ErrOneWay = errors.New("the pipe is one-way, and goes the other way")

	// ErrAuthentication: the peer of a connection does not know the key, or does not ask
	// for it, or this side has none; see package connection. Python: AuthenticationError.
	ErrAuthentication = errors.New("authentication failed")

	// ErrProcessTableFull: too many processes live in this tree.
	ErrProcessTableFull = shm.ErrProcessTableFull

	// ErrNotInitialized: a process cannot be started before Init has run.
	ErrNotInitialized = errors.New("mp.Init has not run in this process: call it as the first statement of main, and of TestMain")

	// ErrNotRegistered: the other process has no function of that name and type.
	ErrNotRegistered = errors.New("the function is not registered in the other process")

	// ErrWrongBuild: the program that was started is not the one that started it.
	ErrWrongBuild = errors.New("the child was built from other sources than its parent")

	// ErrTooDeep: a process that may not have children was to start one; see
	// WithMaxDepth.
	ErrTooDeep = errors.New("too many generations of processes: this one may not start any (see WithMaxDepth)")

	// ErrAlive: the process has not ended yet.
	ErrAlive = errors.New("the process is alive; Wait for its end")

	// ErrParentDied is the cause of a child's context when its parent is gone.
	ErrParentDied = errors.New("the parent process died")

	// ErrPoolClosed: the pool takes no more tasks, or was stopped before it could
	// do this one.
	ErrPoolClosed = errors.New("the pool is closed")

	// ErrCrashLoop: workers die faster than it makes sense to start new ones.
	ErrCrashLoop = errors.New("workers keep dying, so the pool gave up")
)

type movedError struct{}

func (movedError) Error() string { return "it was sent to another process" }

// Is reports that what was sent away is closed for this process.
func (movedError) Is(target error) bool { return target == ErrClosed }

// An ExitError is how a process ended that did not end well: with an exit code
// other than 0, by a signal, or without an answer.
type ExitError struct {
	PID    int            // the process had
	Name   string         // of the process; see WithName
	Func   string         // registered name of what it ran
	Code   int            // exit code, or minus the signal's number
	Signal syscall.Signal // what killed it, or 0
	OOM    bool           // it needed more memory than there was, or than its limit
	Crash  string         // beginning of the text of a fatal error, or empty
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("mp: process %s (pid %d) running %q %s%s", e.Name, e.PID, e.Func, ending(e.Code, e.Signal), circumstance(e.OOM, e.Crash))
}

// A WorkerDiedError is the error of a pool's task whose worker died while it ran.
// The task may have had effects. No other task is touched.
type WorkerDiedError struct {
	PID      int            // the worker had
	Signal   syscall.Signal // what killed it, or 0
	ExitCode int            // exit code, or minus the signal's number
	Func     string         // registered name of the task's function
	Attempt  int            // 1 for the first try
	OOM      bool           // it needed more memory than there was, or than its limit
	Stderr   string         // beginning of the text of a fatal error, or empty
}

func (e *WorkerDiedError) Error() string {
	return fmt.Sprintf("mp: the pool's worker (pid %d) running %q %s%s", e.PID, e.Func, ending(e.ExitCode, e.Signal), circumstance(e.OOM, e.Stderr))
}

func ending(code int, sig syscall.Signal) string {
	if sig != 0 {
		return fmt.Sprintf("was killed by signal %d (%v)", int(sig), sig)
	}
	return fmt.Sprintf("exited with code %d", code)
}

// circumstance says what else is known of an end.
func circumstance(oom bool, crash string) string {
	if oom {
		return ": out of memory"
	}
	return crashLine(crash)
}

// crashLine is what a crash's text says it was, in one line: the first line of it, or,
// since the runtime's reasons may come before, the one of the fatal error; and the signal
// that native code, or a bad address, brought about.
func crashLine(crash string) string {
	first, fatal, signal := "", "", ""
	for line := range strings.Lines(crash) {
		switch line = strings.TrimSpace(line); {
		case fatal == "" && strings.HasPrefix(line, "fatal error: "):
			fatal = ": " + line
		case signal == "" && strings.HasPrefix(line, "[signal "):
			signal = " " + line
		case first == "" && line != "" && !strings.HasPrefix(line, "goroutine "):
			first = ": " + line
		}
	}
	return cmp.Or(fatal, first) + signal
}

// A PanicError is a panic of a registered function in another process.
type PanicError struct {
	Func  string // registered name
	Value string // the panic's value, as fmt prints it
	Stack string // of the goroutine that panicked
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("mp: %q panicked in its process: %s\n\n%s", e.Func, e.Value, e.Stack)
}

// A RemoteError is an error that a registered function returned in another
// process. errors.Is finds in it the well-known errors of the standard library
// and of this one that it was there: context.Canceled, fs.ErrNotExist, io.EOF
// and the like, and any syscall.Errno.
type RemoteError struct {
	Func    string // registered name
	Message string // what Error returned there
	Type    string // Go type of the error there
	known   []error
}

func (e *RemoteError) Error() string { return fmt.Sprintf("mp: %q: %s", e.Func, e.Message) }

// Unwrap returns the well-known errors that the error was in its own process.
func (e *RemoteError) Unwrap() []error { return e.known }

// wellKnown are the errors that keep their identity between processes. A child
// runs the same program as its parent, so the index names the error.
var wellKnown = []error{
	context.Canceled, context.DeadlineExceeded,
	io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrShortWrite,
	fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrClosed, fs.ErrInvalid,
	os.ErrDeadlineExceeded, os.ErrProcessDone, errors.ErrUnsupported,
	ErrClosed, ErrOwnerDied, ErrNotLocked, ErrNotOwner, ErrHealthy, ErrOverRelease, ErrTooMany, ErrTooFew,
	ErrBrokenBarrier, ErrNotPlain, ErrUnencodable,
	ErrTooLarge, ErrForeign, ErrFull, ErrEmpty, ErrPeerDied, ErrMoved, ErrOneWay, ErrProcessTableFull, ErrNotInitialized, ErrNotRegistered, ErrWrongBuild,
	ErrParentDied, ErrPoolClosed, ErrCrashLoop, ErrNotLeased,
	ErrTooDeep, ErrAlive, ErrKeeperDied, ErrAuthentication,
}

func identities(err error) (known []int, errno int) {
	for i, e := range wellKnown {
		if errors.Is(err, e) {
			known = append(known, i)
		}
	}
	var no syscall.Errno
	if errors.As(err, &no) {
		errno = int(no)
	}
	return known, errno
}

func knownErrors(indices []int, errno int) []error {
	var list []error
	for _, i := range indices {
		if i >= 0 && i < len(wellKnown) {
			list = append(list, wellKnown[i])
		}
	}
	if errno != 0 {
		list = append(list, syscall.Errno(errno))
	}
	return list
}
