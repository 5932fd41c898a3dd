package shm

import "unsafe"

// The layout is a contract between processes: sizes that drift do not compile.
//
// SAFETY: Sizeof is a compile-time constant; nothing is dereferenced.
var (
	_ [headerSize]byte = [unsafe.Sizeof(header{})]byte{}
	_ [slotSize]byte   = [unsafe.Sizeof(slot{})]byte{}
	_ [512]byte        = [unsafe.Sizeof(arenaHeader{})]byte{}
)
