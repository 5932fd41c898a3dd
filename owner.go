package mp

import (
	"os"

	"github.com/mpgo/mp/shm"
)

// An Owner is the process that has a lock.
type Owner struct {
	// PID is the process's id; 0 if it died so long ago that nobody knows, or if a
	// repair has failed since.
	PID int

	// Died says that it is dead: what the lock protects has to be repaired, see
	// Mutex.Recover.
	Died bool
}

// Self reports whether the owner is the calling process.
func (o Owner) Self() bool { return !o.Died && o.PID == os.Getpid() }

// ownerIn is who i was or is; ok is false if that is nobody.
func ownerIn(a *shm.Arena, i shm.Incarnation) (o Owner, ok bool) {
	if i == shm.Nobody {
		return Owner{}, false
	}
	return Owner{PID: a.PID(i), Died: !a.Alive(i)}, true
}
