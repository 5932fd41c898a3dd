// Package mp is multiprocessing for Go: processes as easy as goroutines, with
// variables, arrays, locks and queues in memory that they share.
//
// # A program
//
// A program registers the functions that other processes shall run, and calls Init
// first in main:
//
//	var square = mp.Register("square", func(ctx context.Context, n int) (int, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		mp.Init()
//		pool, err := mp.NewPool(context.Background(), 0)
//		…
//		squares, err := square.Map(ctx, pool, []int{1, 2, 3})
//	}
//
// Go has no fork. A process is started by running this program again, and finds its
// function by the name. In it Init runs that function and does not return. Tests
// that start processes call Init in TestMain.
//
// # Processes
//
// [Func.Run] is one call in a fresh process. [Func.Start] returns a [Process] to wait
// for, to signal and to kill. A [Pool] keeps worker processes: [Func.Call], [Func.Go],
// [Func.Map], [Func.MapSeq] and [Func.MapUnordered] have them make calls. Options bound
// what a process may use (WithMemoryLimit, WithCPUs, WithTaskTimeout) and say how it is
// started (WithEnv, WithCommand, Detached).
//
// An error comes back as a [RemoteError], in which errors.Is finds the well-known ones;
// a panic as a [PanicError]; the end of a process without an answer as an [ExitError],
// or of a pool's call as a [WorkerDiedError].
//
// # Sharing
//
// The processes form a tree that shares one arena of memory. In it live [Value] and
// [Array]; [Mutex], [RWMutex], [RLock], [Semaphore], [BoundedSemaphore], [Event], [Cond],
// [Barrier] and [Once]; [Queue] and the pipes whose ends are each a [Conn]. What is put
// into a queue, sent through a pipe, or given to a function is copied. A handle, such as
// a *Value, is not: as a field of whatever is sent it arrives as the same object. It
// lives as long as some process has a handle to it, or a message under way carries one.
//
// Everything that waits takes a context and returns its error. What begins with Try
// does not wait.
//
// # When a process dies
//
// Any process may be killed at any instruction, and nobody else hangs. Whoever
// waits for a lock that it held gets ErrOwnerDied, and can Recover; a Value it was
// writing has the old contents or the new; a message it had put is delivered, and one
// it had received and not acknowledged is delivered again; the pool's task it was
// running fails with a *WorkerDiedError; memory that only it held is free again.
// Children end with their parent, unless they are Detached. A stopped process is not
// dead: it is waited for.
//
// # Where it works
//
// On Linux, with /proc mounted. Elsewhere everything compiles, and what needs other
// processes or shared memory returns an error that is errors.ErrUnsupported.
//
// Python's counterpart of each thing is named in its documentation. The repository has
// a guide, the crash contract with the test of each promise, and a list of errors with
// cause and cure, in its folder docs.
package mp
