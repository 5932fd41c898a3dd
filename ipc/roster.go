package ipc

import (
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A roster is what each process has to do with an object: one entry for each
// slot of the process table.
//
//	bits 62..32  incarnation of the process
//	bits 31..0   its value; what it means is the object's affair
//
// An entry is written by its process alone, save where the object says otherwise.
// As the incarnation is part of it, an entry of a dead process is recognised, and
// the next process of the slot replaces it.
type roster [shm.MaxProcesses]shared.Uint64

func entry(owner shm.Incarnation, value uint32) uint64 {
	return uint64(owner)<<32 | uint64(value)
}

func entryOwner(e uint64) shm.Incarnation { return shm.Incarnation(e >> 32) }

// of is the entry of a process.
func (r *roster) of(i shm.Incarnation) *shared.Uint64 { return &r[i.Slot()] }

// value is what the process has in the roster.
func (r *roster) value(i shm.Incarnation) uint32 {
	if e := r.of(i).Load(); entryOwner(e) == i {
		return uint32(e)
	}
	return 0
}
