// Package race is what the race detector is told about shared memory.
//
// The detector watches the Go heap. It ignores mapped memory: accesses there are
// never checked, and atomic operations there order nothing. So everything shared
// has a stand-in on the heap of each process:
//
//   - an Edge for each lock, queue or event. Operations on it stand for those on
//     the shared words, so that what they order is known to be ordered.
//   - a Shadow for elements that are plain memory. Accesses to it stand for those
//     to the elements, so that unordered ones are reported.
//
// All handles of a process to one object share its stand-ins. Without the
// detector these types have no size and their methods are nothing.
//
// # Through another process
//
// Two goroutines of a process may be ordered by what another process did: A puts
// a message into one queue; a child gets it, and puts its answer into another
// queue; B gets that. What B does comes after what A did, but no stand-in of this
// process has seen it. So each Release is remembered in one place of the process,
// too, and each Acquire takes over all that was remembered there so far, once the
// process is not alone (NotAlone). That can be more than what was ordered: a
// mistake may stay unreported, a correct program is never reported.
//
// Races between processes are not seen at all: each has a detector of its own.
package race
