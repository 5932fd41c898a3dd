package stepkill

import (
	"os"
	"runtime"
	"syscall"

	"github.com/mpgo/mp/internal/sys"
)

// Signals that the victim's thread stops for.
const (
	beginning = syscall.SIGUSR1
	ending    = syscall.SIGUSR2
)

// Quiet is the environment of a victim, beyond what a test has: neither signals of
// Go's scheduler nor its garbage collector come in between, and there is one of Go's
// processors left for the thread that comes back from a system call when all others stand
// still: some of them have one each, and do not give it back.
var Quiet = []string{"GODEBUG=asyncpreemptoff=1", "GOGC=off", "GOMAXPROCS=16"}

// Offer tells the tracer which thread it may take, by announce, reads a byte from
// standard input, which should not be there before the thread is taken, and does op
// on that thread.
func Offer(announce func(thread int), op func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		offer(announce, op)
	}()
	<-done
}

// offer is Offer on another thread than the process's first.
func offer(announce func(thread int), op func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if sys.Gettid() == os.Getpid() {
		Offer(announce, op) // this thread is taken, so that it gets another
		return
	}
	_ = deep(make([]byte, 1))
	announce(sys.Gettid())
	_, _ = os.Stdin.Read(make([]byte, 1))
	sys.Raise(beginning)
	op()
	sys.Raise(ending)
}

// deep makes the goroutine's stack so large that it need not grow in the operation,
// which would take far more instructions than the operation itself.
//
//go:noinline
func deep(b []byte) int {
	var frame [32 << 10]byte
	return copy(frame[:], b)
}
