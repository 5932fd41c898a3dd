//go:build !linux

package sys

import "unsafe"

// SetRobustList tells the kernel of the calling thread's robust list.
func SetRobustList(head unsafe.Pointer, n uintptr) error { return errUnsupported }
