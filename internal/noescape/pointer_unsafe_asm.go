//go:build amd64 || arm64

package noescape

import "unsafe"

// Pointer is p, which the compiler does not know: what p points to may stay on the stack,
// and whoever gets the result must not keep it. As any pointer it follows the stack where
// that moves, which it would not if it had been a uintptr in between for the compiler.
//
//go:noescape
func Pointer(p unsafe.Pointer) unsafe.Pointer
