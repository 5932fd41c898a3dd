// Package mp is multiprocessing for Go: processes as easy as goroutines, with
// variables, arrays, locks and queues in memory that they share.
//
// A program registers the functions that other processes shall run, and calls
// Init first in main:
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
// Processes are started by running this program again (Func.Start, Func.Run,
// NewPool). They form a tree that shares one arena of memory: Value, Array,
// Mutex and Queue live there. A handle to such an object can be sent to any
// process of the tree, in arguments, results and messages.
//
// # When a process dies
//
// Any process may be killed at any instruction, and nobody else hangs. Whoever
// waits for a lock that it held gets ErrOwnerDied; a Value it was writing has the
// old contents or the new; a message it had put is delivered; the pool's task it
// was running fails with a *WorkerDiedError; memory that only it held is free
// again. Children end with their parent. A stopped process is not dead: it is
// waited for.
//
// Python's counterpart of each thing is named in its documentation.
package mp
