// Package keeper keeps descriptors for a tree of processes.
//
// The first process of the tree has the Keeper, a goroutine and a table of descriptors
// by Key. Every process has the Door: one end of a pair of datagram sockets, of which
// the Keeper reads the other, inherited by children as the arena is. A request is one
// message, and brings with it, by SCM_RIGHTS, all that it needs:
//
//	keep   the socket for the answer, and the descriptor
//	open   the socket for the answer, on which the descriptor comes
//	drop   nothing, and nobody waits
//
// So nothing has a name, and no right over other processes is needed; it works in other
// namespaces and sandboxes, and where tracing is forbidden. The kernel does a message
// as a whole or not at all, and keeps what is under way. Whoever is killed, before or
// after any of it, leaves nothing behind: a descriptor whose message is never received
// is closed with the last socket it could come from.
//
//	client                          kernel                   keeper
//	──┬──────────────────────────────────────────────────────────┬────▶
//	  │ makes a pair of sockets                                  │ waits in Go's poller
//	  │ open, key, one of the pair ──▶ in the door's socket ───▶ │ finds the key
//	  │ closes that one                                          │
//	  │ waits for the other  ◀── in the answer's socket ◀─────── │ done, and the descriptor
//	  │                                                          │ closes its one
//
// Messages are received in the order in which they were sent. What a key stands for
// ends before its drop is sent, and nobody keeps anything by that key afterwards.
//
// # Lack of descriptors
//
// A process that has no number left for a descriptor that comes with a message does not
// get it: the kernel closes it. If that happens to the keeper, there is nobody to
// answer to; the client sees the end of its socket without an answer, and asks again.
// By then the keeper has closed a descriptor that it has in reserve, so that it can at
// least say why it cannot do more. A keeper that is gone is told from that by the
// door: nothing can be sent there any more.
package keeper

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrDied: the process with the keeper is gone, and all that it kept.
	ErrDied = errors.New("the first process of the tree, which keeps the descriptors, is gone")

	// ErrUnknown: nothing is kept by that key.
	ErrUnknown = errors.New("nothing is kept under this name")

	// ErrRefused: a request that makes no sense.
	ErrRefused = errors.New("the first process of the tree does not understand what to do with a descriptor")

	errFull = fmt.Errorf("the first process of the tree, which keeps the descriptors, has no number left for one:"+
		" raise its limit (ulimit -n), or close files there: %w", syscall.EMFILE)
)

// errFullHere is what happened if only this process has no number left.
var errFullHere = fmt.Errorf("no number is left for another descriptor: raise the limit of open files (ulimit -n) or close some: %w", syscall.EMFILE)
