package ipc

import (
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A Domain is what ipc needs to know of the processes that share an object.
// *shm.Arena is one.
type Domain interface {
	// Self is the incarnation of the calling process; it never changes.
	Self() shm.Incarnation

	// Alive reports whether a process may still touch shared memory. False is a
	// proof of its death and final. It is called while waiting, with whatever a
	// shared word holds, so it must be quick and must not block.
	Alive(shm.Incarnation) bool

	// Epoch is the death epoch, a word in shared memory. After each proven death
	// it is raised, and then everybody who sleeps on it is woken. Alive tells of
	// the death before the epoch is raised.
	Epoch() *shared.Uint32
}

// The owner words of this package: an incarnation beside one flag.
const (
	ownerMask = 1<<31 - 1
	waiters   = 1 << 31
)

// ownerDead reports whether a word names an owner that is proven dead, or was
// proven dead when it was marked. It is false for a word that names nobody.
func ownerDead(d Domain, owner shm.Incarnation) bool {
	switch {
	case owner == shm.Nobody:
		return false
	case owner == shm.DeadOwner:
		return true
	}
	return owner.Valid() && !d.Alive(owner)
}
