//go:build !amd64 && !arm64

package prefetch

import "unsafe"

// ForWriting does nothing here.
func ForWriting(p unsafe.Pointer, n int, every uintptr) {}

// ForReading does nothing here.
func ForReading(p unsafe.Pointer, n int, every uintptr) {}
