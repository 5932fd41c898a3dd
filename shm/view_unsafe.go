package shm

import (
	"fmt"
	"unsafe"
)

// At views the memory at b[off:] as a T, which may have sync/atomic parts. T must
// be plain, as CheckPlain has it; At does not check that again. The view is valid
// as long as the memory of b is mapped.
//
// A view that does not lie within b, or that is not aligned as T must be, is a
// mistake of the program: At panics. An offset read from shared memory has to be
// checked before.
func At[T any](b []byte, off int) *T {
	var t T
	// SAFETY: Sizeof and Alignof dereference nothing.
	size, align := unsafe.Sizeof(t), unsafe.Alignof(t)
	if size == 0 {
		return new(T) // there is no memory to view, and b may be empty
	}
	if off < 0 || len(b) < int(size) || off > len(b)-int(size) {
		panic(outside(off, 1, size, len(b)))
	}
	// SAFETY: 0 ≤ off < len(b), and size bytes from there lie within b.
	p := unsafe.Pointer(&b[off])
	if uintptr(p)&(align-1) != 0 {
		panic(unaligned(off, align))
	}
	// SAFETY: in bounds and aligned, as checked above; the pointer keeps b's memory
	// reachable if it is of the Go heap, and the caller keeps it mapped if not.
	return (*T)(p)
}

// SliceAt views the memory at b[off:] as n elements of T, under the conditions of
// At. Its capacity is n.
func SliceAt[T any](b []byte, off, n int) []T {
	var t T
	// SAFETY: Sizeof and Alignof dereference nothing.
	size, align := unsafe.Sizeof(t), unsafe.Alignof(t)
	if n < 0 || off < 0 || off > len(b) || size != 0 && n > (len(b)-off)/int(size) {
		panic(outside(off, n, size, len(b)))
	}
	if n == 0 || size == 0 {
		return make([]T, n)
	}
	// SAFETY: n*size > 0 bytes from off on lie within b, so off < len(b).
	p := unsafe.Pointer(&b[off])
	if uintptr(p)&(align-1) != 0 {
		panic(unaligned(off, align))
	}
	// SAFETY: n elements lie within b and the first is aligned, so all are; lifetime
	// as in At.
	return unsafe.Slice((*T)(p), n)
}

// Put copies the memory of v, which must be plain, to the beginning of dst. dst
// need not be aligned; it panics if dst is shorter than a T.
func Put[T any](dst []byte, v *T) {
	// SAFETY: a *T points to Sizeof(T) bytes, alive for as long as v is.
	src := unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
	copy(dst[:len(src):len(dst)], src) // the third index makes it len(dst) that counts, not cap(dst)
}

// Get copies the memory of a T, which must be plain, from the beginning of src to
// v. src need not be aligned; it panics if src is shorter than a T.
//
// The bytes are taken as they are. If a hostile peer may have written them, a bool
// in T must be checked to be 0 or 1 before it is used.
func Get[T any](src []byte, v *T) {
	// SAFETY: a *T points to Sizeof(T) bytes, alive for as long as v is; T has no
	// pointers, so any bytes may be put there.
	dst := unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
	copy(dst, src[:len(dst):len(src)])
}

// Raw is the memory of a slice of plain elements. It is a view, not a copy.
func Raw[T any](s []T) []byte {
	var t T
	// SAFETY: s has len(s)*Sizeof(T) bytes, which fit into an int because they
	// exist; the result keeps them alive.
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(t)))
}

func outside(off, n int, size uintptr, have int) string {
	return fmt.Sprintf("shm: %d × %d bytes at offset %d do not lie within %d bytes", n, size, off, have)
}

func unaligned(off int, align uintptr) string {
	return fmt.Sprintf("shm: offset %d is not aligned to %d bytes", off, align)
}
