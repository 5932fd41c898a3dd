package child

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/sys"
)

// A Process is a started child, until it is gone.
type Process struct {
	cmd       *exec.Cmd
	pidfd     *os.File // nil where the system has none
	crash     *os.File
	limited   bool  // in its memory
	unclaimed int64 // OOM kills before it was started; see exit.go

	killed atomic.Bool // by Signal

	mu   sync.Mutex // guards life
	life *os.File   // our end of the life line; nil when given up
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal; os.ErrProcessDone if the child is gone. It never hits
// another process that got the same pid.
func (p *Process) Signal(sig os.Signal) error {
	race.Leave()
	if sig == os.Kill {
		p.killed.Store(true)
	}
	return p.cmd.Process.Signal(sig)
}

// Command sends a command through the child's life line.
func (p *Process) Command(verb byte, operand uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == nil {
		return os.ErrProcessDone
	}
	race.Leave()
	c := binary.LittleEndian.AppendUint64([]byte{verb}, operand)
	return sys.Send(p.life, c)
}

// AwaitEnd blocks until the child and all its threads are gone, costing no thread. An
// error means that only Wait can tell.
func (p *Process) AwaitEnd() error {
	if p.pidfd == nil {
		return errors.ErrUnsupported
	}
	err := sys.AwaitExit(p.pidfd)
	if err != nil {
		_ = p.pidfd.Close()
		p.pidfd = nil
	}
	return err
}

// Wait is AwaitEnd, takes note of the exit, and gives the descriptors back. The state's
// exit code is the kernel's. Only one goroutine may call the two.
func (p *Process) Wait() (Exit, error) {
	_ = p.AwaitEnd() // or else cmd.Wait takes a thread
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
