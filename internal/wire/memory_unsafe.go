package wire

import "unsafe"

// asString views a value whose kind is string as a string.
func asString[T any](v *T) *string {
	// SAFETY: the caller has T of kind string; a type's layout is that of its kind.
	return (*string)(unsafe.Pointer(v))
}

// asBytes views a value whose kind is slice as a slice of bytes. Its length counts
// elements, so only memory may look at what is in it. What is stored there must have
// memory of T's elements, or of bytes, if they have no pointers and one byte each.
func asBytes[T any](v *T) *[]byte {
	// SAFETY: the caller has T of kind slice; all slices are laid out alike, and this
	// one's bytes are read by memory alone.
	return (*[]byte)(unsafe.Pointer(v))
}

// memory is the memory of the elements, of size bytes each, of a slice that
// asBytes viewed.
func memory(s []byte, size int) []byte {
	// SAFETY: s points to len(s) elements of size bytes; the product fits into an int
	// because they exist. The result keeps them reachable.
	return unsafe.Slice(unsafe.SliceData(s), len(s)*size)
}

// elements views memory as the slice of n elements of some type, as asBytes does.
func elements(b []byte, n int) []byte {
	// SAFETY: b has n elements of at least one byte, so n bytes; the result is only
	// stored in a slice of those elements, by asBytes, whose length and capacity are
	// in elements.
	return unsafe.Slice(unsafe.SliceData(b), n)
}

// aligned reports whether b begins at a multiple of n.
func aligned(b []byte, n int) bool {
	// SAFETY: the address is only looked at.
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(n) == 0
}

// memoryOf is the memory of a value. Only what is plain in it may be written so.
func memoryOf[T any](v *T) []byte {
	// SAFETY: the bytes are those of *v, which the result keeps reachable; pointers in it
	// are left alone, so the garbage collector sees every store to them.
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// pointerAt is the pointer that lies so far into the memory of a value.
func pointerAt(mem []byte, at uintptr) unsafe.Pointer {
	// SAFETY: the caller has a value whose type has a pointer there, aligned as the value.
	return *(*unsafe.Pointer)(unsafe.Pointer(&mem[at]))
}

// setPointerAt sets it.
func setPointerAt(mem []byte, at uintptr, p unsafe.Pointer) {
	// SAFETY: as pointerAt; p points to what the pointer's type says. It is stored as a
	// pointer, so the garbage collector sees it.
	*(*unsafe.Pointer)(unsafe.Pointer(&mem[at])) = p
}
