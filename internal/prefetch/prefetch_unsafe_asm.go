//go:build amd64 || arm64

package prefetch

import "unsafe"

// ForWriting begins to fetch n pieces of memory of a cache line each, the first at p and
// every so many bytes another, into this CPU's cache, such that it may write to them. It
// takes a few cycles and changes nothing; an address where nothing is does no harm.
//
//go:noescape
func ForWriting(p unsafe.Pointer, n int, every uintptr)

// ForReading is ForWriting for who will only read.
//
//go:noescape
func ForReading(p unsafe.Pointer, n int, every uintptr)
