//go:build !linux

package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/mpgo/mp/internal/shared"
)

// Seals of a memory file, as Seals reports them.
const (
	SealSeal   = 1 // no seal can be added any more
	SealShrink = 2 // the file keeps at least its size: no SIGBUS
	SealGrow   = 4 // the file keeps at most its size
)

// System calls that a kernel, or a sandbox, may lack; for ForbidSyscalls.
const (
	SysMemfdCreate uintptr = iota
	SysFutexWaitV
	SysSetRobustList
	SysPidfdOpen
)

// errUnsupported is what everything comes to on platforms other than Linux.
var errUnsupported = fmt.Errorf("sys: %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Memfd makes a file of size bytes that exists in memory only.
func Memfd(name string, size int64) (*os.File, error) { return nil, errUnsupported }

// Seals reports which of the Seal constants a memory file has.
func Seals(f *os.File) (int, error) { return 0, errUnsupported }

// Reserve gives memory to n bytes of f at off.
func Reserve(f *os.File, off, n int64) error { return errUnsupported }

// Discard gives the memory behind n bytes of f at off back to the system.
func Discard(f *os.File, off, n int64) error { return errUnsupported }

// DontDump keeps mapped memory out of core dumps.
func DontDump(b []byte) error { return errUnsupported }

// CloseOnExec keeps a descriptor from the programs that this process executes.
func CloseOnExec(fd int) {}

// MemAvailable is how many bytes can be had; false if unknown.
func MemAvailable() (int64, bool) { return 0, false }

// EnoughMemory reports whether n more bytes can be had, and if not, how many can.
func EnoughMemory(n int64) (int64, bool) { return 0, true }

// PeerCPUs is the number of CPUs that other processes may use at the same time.
func PeerCPUs() int { return runtime.NumCPU() }

// NumCPU is the number of CPUs this process may use.
func NumCPU() int { return runtime.NumCPU() }

// FutexWait sleeps until somebody wakes w, if w holds val.
func FutexWait(w *shared.Uint32, val uint32, deadline int64) error { return errUnsupported }

// FutexWake wakes up to n of those who sleep on w, and returns how many there were.
func FutexWake(w *shared.Uint32, n int) int { return 0 }

// FutexWaitV is FutexWait on up to MaxFutexes words at a time.
func FutexWaitV(ws []Futex, deadline int64) error { return errUnsupported }

// start is time 0 of Monotonic.
var start = time.Now()

// Monotonic is a time in nanoseconds that only grows; of this process alone.
func Monotonic() int64 { return int64(time.Since(start)) + 1 }

// Gettid is the kernel's number of the calling thread; 0 if unknown.
func Gettid() int { return 0 }

// PidfdOpen opens a descriptor that stands for the process pid.
func PidfdOpen(pid int) (*os.File, error) { return nil, errUnsupported }

// AwaitExit returns nil when the process that pidfd stands for is dead.
func AwaitExit(pidfd *os.File) error { return errUnsupported }

// Exited reports whether the process that pidfd stands for is dead.
func Exited(pidfd *os.File) (bool, error) { return false, errUnsupported }

// PidfdSignal sends a signal to the process that pidfd stands for.
func PidfdSignal(pidfd *os.File, sig syscall.Signal) error { return errUnsupported }

// StartTime is when the process pid was started.
func StartTime(pid int) (uint64, error) { return 0, errUnsupported }

// PidNamespace names the space in which this process's pids mean something; 0 if
// unknown.
func PidNamespace() uint64 { return 0 }

// BuildID tells builds of a program apart.
func BuildID() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("sys: build id: %w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("sys: build id: %w", err)
	}
	defer func() { _ = f.Close() }()
	return digest(f)
}

// ForbidSyscalls makes system calls fail with errno from now on.
func ForbidSyscalls(errno syscall.Errno, nrs ...uintptr) error { return errUnsupported }

// SharedDir is where POSIX shared memory has its names.
const SharedDir = ""

// CreateShared makes the file name in dir, with size bytes of memory.
func CreateShared(dir, name string, size int64) (*os.File, error) { return nil, errUnsupported }

// OpenShared opens the file name in dir for reading and writing.
func OpenShared(dir, name string) (*os.File, error) { return nil, errUnsupported }

// SetThreadNice sets the priority of the calling thread.
func SetThreadNice(n int) error { return errUnsupported }

// SetThreadCPUs binds the calling thread to CPUs.
func SetThreadCPUs(cpus []int) error { return errUnsupported }

// KillAfter has the kernel kill this process when d is over.
func KillAfter(d time.Duration) error { return errUnsupported }

// LimitData limits how many bytes of private memory this process may have.
func LimitData(bytes int64) error { return errUnsupported }

// OOMKills is how many processes the kernel has killed for want of memory.
func OOMKills() int64 { return 0 }

// KeepLastWords makes the text of a fatal error complete in the file that
// debug.SetCrashOutput was called with; here it begins with the goroutine.
func KeepLastWords() {}

// SeizeThread makes the calling thread the tracer of another process's thread.
func SeizeThread(tid int) error { return errUnsupported }

// InterruptThread stops a seized thread.
func InterruptThread(tid int) error { return errUnsupported }

// StepThread lets a stopped thread execute one instruction.
func StepThread(tid int) error { return errUnsupported }

// AwaitStop waits until a seized thread stops.
func AwaitStop(tid int) (syscall.Signal, error) { return 0, errUnsupported }

// Raise sends a signal to the calling thread.
func Raise(sig syscall.Signal) {}

// Yield lets others run that want this CPU, for a while.
func Yield() { runtime.Gosched() }
