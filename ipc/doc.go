// Package ipc is about who may proceed: locks, semaphores, events, barriers and
// rings that lie in memory which several processes share, and that stay usable
// whichever of these processes is killed at whichever instruction.
//
//   - Mutex, RWMutex, RLock: one owner at a time; an owner's death is reported,
//     never hidden and never a trap (ErrOwnerDied, Recover).
//   - Semaphore, BoundedSemaphore: permits; the bounded kind takes back those of
//     the dead.
//   - Event, Cond: news; sequence counters without acknowledgement, so that a
//     killed waiter holds up nobody.
//   - Barrier, Once: meeting points; a dead participant breaks the first and
//     hands on the second.
//   - Ring and Stream: messages.
//
// # Views
//
// An object is a view: a value on the Go heap of one process, over words in
// shared memory that all processes have in common. The views of one process must
// be one per object, because they hold what the process does together: the queue
// of its waiting goroutines, and the edges that the race detector sees (it is
// blind to mapped memory). The shared words are zero in a new object; what else
// an object needs is said at its New function.
//
// # Waiting and death
//
// All waiting goes through one primitive, the gate of wait.go: spin a little,
// queue in the process, and let one goroutine of the process sleep in the kernel
// on three words at once: the object's, the death epoch of the Domain, and one of
// its own for cancellation. A waker that is killed between its store and its
// wake-up call is no loss, because its death raises the epoch, which wakes
// everybody, and everybody who is woken looks again.
//
// Nothing is taken from a process before a Domain has proof of its death. A
// stopped process is alive, and so is what it holds.
package ipc
