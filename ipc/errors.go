package ipc

import (
	"errors"
	"fmt"

	"github.com/mpgo/mp/shm"
)

var (
	// ErrClosed: this process closed its view of the object, or the object is gone.
	ErrClosed = shm.ErrClosed

	// ErrOwnerDied: the process that held the lock died before it unlocked, so
	// what the lock protects may be half-written. The lock is not held by whoever
	// gets this error, and everybody gets it until Recover has succeeded.
	ErrOwnerDied = errors.New("the lock's owner died")

	// ErrHealthy: Recover of a lock whose owner did not die. Nothing was changed.
	ErrHealthy = errors.New("the lock is healthy, there is nothing to recover")

	// ErrNotLocked: Unlock of what nobody has locked. Nothing was changed.
	ErrNotLocked = errors.New("the lock is not locked, so it cannot be unlocked")

	// ErrNotOwner: Unlock of what another owner has locked. Nothing was changed.
	ErrNotOwner = errors.New("the lock is held by another owner, who alone can unlock it")

	// ErrOverRelease: more permits given back than taken. Nothing was changed.
	ErrOverRelease = errors.New("more permits released than this process had acquired")

	// ErrTooFew: a count that must be larger. Nothing was changed.
	ErrTooFew = errors.New("too few")

	// ErrTooMany: a count beyond what the object can hold. Nothing was changed.
	ErrTooMany = errors.New("too many")

	// ErrBrokenBarrier: a party died, gave up or failed, or Abort was called; the
	// parties cannot meet until Reset.
	ErrBrokenBarrier = errors.New("the barrier is broken: a party died, gave up or failed; Reset makes it as new")
)

// An OwnerDiedError is an ErrOwnerDied that names the owner.
type OwnerDiedError struct {
	// Owner is the process that died holding the lock, or shm.DeadOwner if a
	// repair has failed since.
	Owner shm.Incarnation
}

func (e *OwnerDiedError) Error() string {
	if e.Owner == shm.DeadOwner {
		return "ipc: the lock's owner died, and what it protects was not repaired: call Recover"
	}
	return fmt.Sprintf("ipc: the lock's owner (process %v of the tree) died: what it protects may be half-written, call Recover", e.Owner)
}

// Is reports that an OwnerDiedError is an ErrOwnerDied.
func (e *OwnerDiedError) Is(target error) bool { return target == ErrOwnerDied }
