package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mpgo/mp/bench/internal/side"
)

// adoptOrphans makes this process the parent of all its descendants whose own is
// gone, so that it can wait until they are.
func adoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// buryOrphans waits until no descendant is left. They have all been killed.
func buryOrphans() {
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && err != unix.EINTR {
			return
		}
	}
}

// measureSide runs a side's process and reads its sample. When it returns, that
// process and all that it had started are gone, however it went.
func measureSide(ctx context.Context, cmd *exec.Cmd, patience time.Duration) (*side.Sample, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it had not ended after %v", patience))
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A group of its own: a Ctrl-C is for the bench, which then ends the group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	group := -cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() { _ = unix.Kill(group, unix.SIGKILL) })
	awaitEnd(cmd.Process.Pid)
	stop()
	_ = unix.Kill(group, unix.SIGKILL) // whom it left behind; the group is there until Wait
	err := cmd.Wait()
	buryOrphans()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return readSample(err, stdout.Bytes(), stderr.String())
}

// awaitEnd waits until a child has ended, but leaves it to be waited for.
func awaitEnd(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

func readSample(err error, stdout []byte, stderr string) (*side.Sample, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == side.ExitMissing {
		return nil, side.Missing(complaint(stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, complaint(stderr))
	}
	sample := new(side.Sample)
	if err := json.Unmarshal(stdout, sample); err != nil {
		return nil, fmt.Errorf("no sample in %q: %w", stdout, err)
	}
	return sample, nil
}

// complaint is the line that says most of what a program says that fails: how a Go
// program's crash begins, otherwise the last one.
func complaint(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
	}
	return lines[len(lines)-1]
}
