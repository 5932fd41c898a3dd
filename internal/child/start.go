package child

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/sys"
)

// A Spec says what to start.
type Spec struct {
	Marker string   // what Adopt returns in the child
	Title  string   // second word of the command line, for people who look at ps
	Arena  *os.File // becomes fd 3

	Path   string   // program; empty: this one
	Env    []string // full environment; nil: this process's
	Dir    string   // working directory; empty: this process's
	Stdin  *os.File // nil: /dev/null
	Stdout *os.File // nil: this process's
	Stderr *os.File // nil: this process's
}

// A Process is a started child, until it is gone.
type Process struct {
	cmd   *exec.Cmd
	pidfd *os.File // nil where the system has none
	crash *os.File

	mu   sync.Mutex // guards life
	life *os.File   // our end of the life pipe; nil when given up
}

// Start starts a child. The caller must call Wait once.
func Start(spec Spec) (*Process, error) {
	cmd, err := spec.command()
	if err != nil {
		return nil, err
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("mp: a life pipe: %w", err)
	}
	defer func() { _ = theirs.Close() }()
	crash, err := sys.Scratch("mp-crash")
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{spec.Arena, theirs, crash}
	race.NotAlone()
	race.Leave()
	if err := fork(cmd); err != nil {
		_ = ours.Close()
		_ = crash.Close()
		return nil, fmt.Errorf("mp: %w: %w", ErrUnavailable, err)
	}
	p := &Process{cmd: cmd, crash: crash, life: ours}
	p.pidfd, _ = sys.PidfdOpen(cmd.Process.Pid) // without one, Wait takes a thread
	return p, nil
}

func (spec *Spec) command() (*exec.Cmd, error) {
	path := spec.Path
	if path == "" {
		path = selfExe
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("mp: %w: %s cannot be read (is /proc mounted?): %w", ErrUnavailable, selfExe, err)
		}
	}
	stdout, stderr := spec.Stdout, spec.Stderr
	if stdout == nil {
		stdout = os.Stdout
	}
	if stderr == nil {
		stderr = os.Stderr
	}
	cmd := &exec.Cmd{
		Path:        path,
		Args:        []string{os.Args[0], spec.Title},
		Env:         spec.environment(),
		Dir:         spec.Dir,
		Stdout:      stdout,
		Stderr:      stderr,
		SysProcAttr: attributes(),
	}
	if spec.Stdin != nil {
		cmd.Stdin = spec.Stdin
	}
	return cmd, nil
}

func (spec *Spec) environment() []string {
	env := spec.Env
	if env == nil {
		env = os.Environ()
	}
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, markerName+"=") })
	if race.Enabled && !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "GORACE=") }) {
		// A race-detecting program sleeps a second at its end otherwise.
		env = append(env, "GORACE=atexit_sleep_ms=0")
	}
	return append(env, markerName+"="+spec.Marker)
}

// forks are served by one goroutine on a thread of its own that never ends: the
// kernel tells a child of the end of the *thread* that forked it, so that thread
// must live as long as the process.
var forks = sync.OnceValue(func() chan<- func() {
	requests := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range requests {
			start()
		}
	}()
	return requests
})

func fork(cmd *exec.Cmd) error {
	done := make(chan error)
	forks() <- func() { done <- cmd.Start() }
	return <-done
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal; os.ErrProcessDone if the child is gone. It never hits
// another process that got the same pid.
func (p *Process) Signal(sig os.Signal) error {
	race.Leave()
	return p.cmd.Process.Signal(sig)
}

// Command sends a command through the child's life pipe.
func (p *Process) Command(verb byte, operand uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == nil {
		return os.ErrProcessDone
	}
	race.Leave()
	c := binary.LittleEndian.AppendUint64([]byte{verb}, operand)
	if _, err := p.life.Write(c); err != nil {
		if errors.Is(err, syscall.EPIPE) {
			return os.ErrProcessDone
		}
		return err
	}
	return nil
}

// Wait blocks until the child and all its threads are gone, costing no thread,
// and gives the descriptors back. The state's exit code is the kernel's.
func (p *Process) Wait() (Exit, error) {
	if p.pidfd != nil {
		if sys.AwaitExit(p.pidfd) != nil {
			_ = p.pidfd.Close()
			p.pidfd = nil
		}
	}
	err := p.cmd.Wait()
	if errors.As(err, new(*exec.ExitError)) {
		err = nil
	}
	race.Return()
	exit := p.exit()
	p.release()
	return exit, err
}

func (p *Process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.life.Close()
	p.life = nil
	_ = p.crash.Close()
	if p.pidfd != nil {
		_ = p.pidfd.Close()
	}
}

// An Exit is how a process ended.
type Exit struct {
	Code   int            // exit code, or minus the signal's number
	Signal syscall.Signal // what killed it, or 0
	Crash  string         // end of the text of a fatal error, if there was one
}

func (p *Process) exit() Exit {
	e := Exit{Crash: p.crashText()}
	state := p.cmd.ProcessState
	if state == nil {
		return e
	}
	e.Code = state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
		e.Code = -int(e.Signal)
	}
	return e
}

// crashLimit is how much of a crash's text is kept: its beginning says what
// happened and its first goroutine where.
const crashLimit = 8 << 10

func (p *Process) crashText() string {
	text := make([]byte, crashLimit)
	n, _ := p.crash.ReadAt(text, 0)
	return string(text[:n])
}
