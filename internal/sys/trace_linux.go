package sys

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ThreadWaits reports whether a thread of another process, which runs Go, waits in the
// kernel, for input or for another thread: so that it is in the middle of nothing.
func ThreadWaits(pid, tid int) (bool, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", pid, tid))
	if err != nil {
		return false, err
	}
	var call, first, second uint64
	if n, _ := fmt.Sscanf(string(text), "%d 0x%x 0x%x", &call, &first, &second); n < 3 {
		return false, nil // it runs
	}
	switch call {
	case unix.SYS_READ, unix.SYS_EPOLL_PWAIT, unix.SYS_FUTEX_WAITV, unix.SYS_NANOSLEEP:
		return true, nil
	case unix.SYS_FUTEX:
		return second&futexCommand == futexWait, nil
	}
	return false, nil
}

// From the kernel's include/uapi/linux/futex.h: a call's command, of which that to wait
// is the one that Go's runtime uses.
const (
	futexCommand = 127
	futexWait    = 0
)

// SeizeThread makes the calling thread the tracer of another process's thread,
// which runs on. All calls for that thread must come from the calling one. If the
// tracer ends, the traced process is killed. The error is fs.ErrPermission where
// the system, or a sandbox, allows no tracing.
//
// Do not seize the first thread of a child of this process: whoever waits for the
// child's end would be told of each stop.
func SeizeThread(tid int) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, unix.PTRACE_O_EXITKILL, 0, 0)
	if errno != 0 {
		return fmt.Errorf("sys: ptrace(PTRACE_SEIZE, %d): %w", tid, errno)
	}
	return nil
}

// InterruptThread stops a seized thread, which AwaitStop tells. One that sleeps in
// a system call begins it anew when it goes on.
func InterruptThread(tid int) error {
	if err := unix.PtraceInterrupt(tid); err != nil {
		return fmt.Errorf("sys: ptrace(PTRACE_INTERRUPT, %d): %w", tid, err)
	}
	return nil
}

// StepThread lets a stopped thread execute one instruction; a system call counts as
// one. AwaitStop tells when it has. A signal that it stopped for is dropped.
func StepThread(tid int) error {
	if err := unix.PtraceSingleStep(tid); err != nil {
		return fmt.Errorf("sys: ptrace(PTRACE_SINGLESTEP, %d): %w", tid, err)
	}
	return nil
}

// AwaitStop waits until a seized thread stops, and returns the signal that it
// stopped for: SIGTRAP after a step and after InterruptThread. It is 0 if the thread
// has ended.
func AwaitStop(tid int) (syscall.Signal, error) {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(tid, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("sys: wait4(%d): %w", tid, err)
		case !status.Stopped():
			return 0, nil
		default:
			return status.StopSignal(), nil
		}
	}
}

// Raise sends a signal to the calling thread, whose goroutine must be locked to it.
func Raise(sig syscall.Signal) {
	// It can only fail for a signal that does not exist.
	_, _, _ = unix.RawSyscall(unix.SYS_TGKILL, uintptr(os.Getpid()), uintptr(unix.Gettid()), uintptr(sig))
}

// RunThread lets a stopped thread run until its next instruction is the one at pc, or
// until it stops for something else. AwaitStop tells when it has; ClearThread must follow
// then. The error is errors.ErrUnsupported on processors where this package cannot do it.
func RunThread(tid int, pc uint64) error {
	if err := breakAt(tid, pc); err != nil {
		return err
	}
	return ResumeThread(tid)
}

// ResumeThread lets a stopped thread run.
func ResumeThread(tid int) error {
	if err := unix.PtraceCont(tid, 0); err != nil {
		return fmt.Errorf("sys: ptrace(PTRACE_CONT, %d): %w", tid, err)
	}
	return nil
}

// ClearThread makes a stopped thread forget where RunThread was to stop it.
func ClearThread(tid int) error { return breakNowhere(tid) }

// NextInstruction returns where the next instruction of a stopped thread is, and whether
// it enters the kernel.
func NextInstruction(tid int) (pc uint64, call bool, err error) {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return 0, false, fmt.Errorf("sys: ptrace(PTRACE_GETREGS, %d): %w", tid, err)
	}
	next := make([]byte, len(systemCall))
	if _, err := unix.PtracePeekText(tid, uintptr(regs.PC()), next); err != nil {
		return 0, false, fmt.Errorf("sys: ptrace(PTRACE_PEEKTEXT, %d): %w", tid, err)
	}
	return regs.PC(), string(next) == systemCall, nil
}
