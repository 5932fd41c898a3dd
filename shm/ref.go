package shm

import (
	"encoding/binary"
	"fmt"
)

// A Ref names one block of one arena in every process of its tree: where it
// begins and which use of that place is meant. A place is reused with another
// generation, so an old Ref never reaches a new object.
type Ref struct {
	Arena uint32 // the arena's identity, chosen at random when it was made
	Gen   uint32 // generation of the block, never 0
	Off   uint64 // bytes from the arena's start, a multiple of 64
}

// RefSize is the length of a Ref's binary form.
const RefSize = 16

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// AppendBinary appends the RefSize bytes of r.
func (r Ref) AppendBinary(b []byte) ([]byte, error) {
	b = binary.LittleEndian.AppendUint32(b, r.Arena)
	b = binary.LittleEndian.AppendUint32(b, r.Gen)
	return binary.LittleEndian.AppendUint64(b, r.Off), nil
}

// UnmarshalBinary sets r from the bytes that AppendBinary wrote.
func (r *Ref) UnmarshalBinary(b []byte) error {
	if len(b) != RefSize {
		return fmt.Errorf("shm: a reference is %d bytes long, not %d", RefSize, len(b))
	}
	r.Arena = binary.LittleEndian.Uint32(b)
	r.Gen = binary.LittleEndian.Uint32(b[4:])
	r.Off = binary.LittleEndian.Uint64(b[8:])
	return nil
}

// String is "arena:offset.generation".
func (r Ref) String() string { return fmt.Sprintf("%08x:%#x.%d", r.Arena, r.Off, r.Gen) }

// Word is r without its arena, in 64 bits: for a shared word that names a block. It
// is never 0.
func (r Ref) Word() uint64 { return r.Off/headerSize<<generationBits | uint64(r.Gen) }

// RefOf is the Ref in this arena whose Word is given.
func (a *Arena) RefOf(word uint64) Ref {
	return Ref{Arena: a.id, Gen: uint32(word) & maxBlockGen, Off: word >> generationBits * headerSize}
}
