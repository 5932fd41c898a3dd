//go:build !linux

package sys

import "syscall"

// Readable reports whether to read from a descriptor would not wait.
func Readable(syscall.RawConn) (bool, error) { return false, errUnsupported }

// AwaitReadable waits until a descriptor is Readable.
func AwaitReadable(syscall.RawConn) error { return errUnsupported }

// A Lookout waits until one of several descriptors is Readable.
type Lookout struct{}

// NewLookout makes a Lookout, which has to be closed.
func NewLookout([]syscall.RawConn) (*Lookout, error) { return nil, errUnsupported }

// Await returns nil when a descriptor is readable.
func (*Lookout) Await() error { return errUnsupported }

// Close ends Await.
func (*Lookout) Close() {}
