//go:build explore

package explore

import "unsafe"

// Words says that threads have these words in common: *w is made of nothing else.
func Words[T any](x *Execution, name string, w *T) {
	// SAFETY: the address is only compared.
	x.register(name, uintptr(unsafe.Pointer(w)), int(unsafe.Sizeof(*w)), nil)
}

// Bytes says that threads have this memory in common, in which there are more than
// words.
func Bytes(x *Execution, name string, mem []byte) {
	// SAFETY: the address is only compared.
	x.register(name, uintptr(unsafe.Pointer(unsafe.SliceData(mem))), len(mem), mem)
}
