package shm

import "unsafe"

// Bytes is the memory of a plain value, no copy.
func Bytes[T any](v *T) []byte {
	// SAFETY: exactly the value's own memory, reachable as long as the slice is.
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// Pointer is the address of a value.
//
//go:nosplit
func Pointer[T any](v *T) unsafe.Pointer {
	// SAFETY: it is a pointer like v.
	return unsafe.Pointer(v)
}

// WordSize is the largest plain value that one atomic word holds.
const WordSize = 8

// Word puts a plain value of at most WordSize bytes into a word. Equal values
// without padding make equal words.
func Word[T any](v T) (w uint64) {
	if unsafe.Sizeof(v) > WordSize {
		panic("shm: Word of a value that is larger than a word")
	}
	// SAFETY: w is at least as large and as aligned as any T that passed the check.
	*(*T)(unsafe.Pointer(&w)) = v
	return w
}

// FromWord is the reverse of Word.
func FromWord[T any](w uint64) (v T) {
	if unsafe.Sizeof(v) > WordSize {
		panic("shm: FromWord of a value that is larger than a word")
	}
	// SAFETY: as in Word.
	return *(*T)(unsafe.Pointer(&w))
}

// SizeOf is a type's size in bytes.
func SizeOf[T any]() int {
	var v T
	// SAFETY: a constant of the type; nothing is dereferenced.
	return int(unsafe.Sizeof(v))
}
