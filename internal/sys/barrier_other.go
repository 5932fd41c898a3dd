//go:build !linux

package sys

// RegisterBarrier makes the process one that Barrier reaches, and finds out
// whether it can call Barrier itself.
func RegisterBarrier() error { return errUnsupported }

// Barrier is a full memory barrier on every CPU that now runs a process which
// called RegisterBarrier.
func Barrier() error { return errUnsupported }
