package child

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"

	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/sys"
)

// Start starts a child. The caller must call Wait once.
func Start(spec Spec) (*Process, error) {
	cmd, err := spec.command()
	if err != nil {
		return nil, err
	}
	theirs, ours, err := sys.SocketPair("life line")
	if err != nil {
		return nil, fmt.Errorf("mp: %w: %w", ErrUnavailable, err)
	}
	defer func() { _ = theirs.Close() }()
	crash, err := sys.Scratch("mp-crash")
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	p := &Process{cmd: cmd, crash: crash, life: ours, limited: spec.Limited, unclaimed: unclaimedOOMKills()}
	if err = spec.complete(cmd, theirs, crash); err == nil {
		race.NotAlone()
		race.Leave()
		err = spec.fork(cmd)
	}
	if err != nil {
		_ = ours.Close()
		_ = crash.Close()
		return nil, err
	}
	p.pidfd, _ = sys.PidfdOpen(cmd.Process.Pid) // without one, Wait takes a thread
	return p, nil
}

// fork starts the command.
func (spec *Spec) fork(cmd *exec.Cmd) error {
	done := make(chan error)
	if spec.Nice == nil && spec.CPUs == nil {
		forks() <- func() { done <- cmd.Start() }
	} else {
		go func() { done <- spec.forkRanked(cmd) }()
	}
	if err := <-done; err != nil {
		return fmt.Errorf("mp: %w: %w", ErrUnavailable, err)
	}
	return nil
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

// forkRanked starts the command from a thread that has the priority and the CPUs
// that the child shall have, and so has them from its first instruction on: Go's
// runtime looks at its CPUs when it starts. Nobody may lower a nice value again, so
// the thread ends with this goroutine. The child is told, as of its parent's death:
// it is continued, which does nothing to a process that is not stopped; and the
// kernel makes it the child of another of our threads, and will tell of that one.
func (spec *Spec) forkRanked(cmd *exec.Cmd) error {
	runtime.LockOSThread() // and never unlocked
	if spec.CPUs != nil {
		if err := sys.SetThreadCPUs(spec.CPUs); err != nil {
			return err
		}
	}
	if spec.Nice != nil {
		if err := sys.SetThreadNice(*spec.Nice); err != nil {
			return err
		}
	}
	return cmd.Start()
}
