package ipc

import "unsafe"

// Copies between memory of this process and shared memory, for short messages. A call
// would store its return address and what the caller needs later, and between two
// messages stores count: those to lines that another CPU had last fill the CPU's store
// buffer, and all later ones wait in it.

// mostQuick is the length of the longest message that is copied so.
const mostQuick = 256

// lineLength is that of a cache line, and of many records.
const lineLength = 64

// copyLine copies lineLength bytes.
//
//go:nosplit
func copyLine(dst, src unsafe.Pointer) {
	// SAFETY: both have that many bytes.
	d, s := (*[4][16]byte)(dst), (*[4][16]byte)(src)
	d[0] = s[0]
	d[1] = s[1]
	d[2] = s[2]
	d[3] = s[3]
}

// quickCopy copies n bytes, better not more than mostQuick, without a call.
//
//go:nosplit
func quickCopy(dst, src unsafe.Pointer, n int) {
	// SAFETY: both have n bytes: each step stays below n, and the last 16 of 16 bytes
	// or more begin at 0 or above.
	switch {
	case n >= 16:
		for i := 0; i < n-16; i += 16 {
			*(*[16]byte)(unsafe.Add(dst, i)) = *(*[16]byte)(unsafe.Add(src, i))
		}
		*(*[16]byte)(unsafe.Add(dst, n-16)) = *(*[16]byte)(unsafe.Add(src, n-16))
	case n == 8:
		*(*uint64)(dst) = *(*uint64)(src)
	default:
		for i := range n {
			*(*byte)(unsafe.Add(dst, i)) = *(*byte)(unsafe.Add(src, i))
		}
	}
}
