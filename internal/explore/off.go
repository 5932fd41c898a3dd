//go:build !explore

// Package explore runs the real code of several processes in one, as threads of
// which one runs at a time, and tries out all orders in which their accesses to
// shared words can come, up to a bound, with a kill of any of them before any
// store. It exists in programs that are built with the tag explore only, in which
// package shared asks it before each access; in all others it is these stubs.
package explore

import (
	"context"
	"time"
)

// Enabled reports whether the program is built with the tag explore.
const Enabled = false

// Running reports whether the caller is a thread of an exploration.
func Running() bool { return false }

// Now is the time of the exploration, which passes only where the model says so.
func Now() time.Duration { return 0 }

// AfterFunc calls f as a thread of its own when the time has passed. The result
// calls it off.
func AfterFunc(d time.Duration, f func()) (stop func() bool) { return nil }

// WithCancel is context.WithCancel in an exploration.
func WithCancel(parent context.Context) (ctx context.Context, cancel context.CancelFunc, ok bool) {
	return nil, nil, false
}

// AfterDone is context.AfterFunc, if ctx is a Context of the exploration.
func AfterDone(ctx context.Context, f func()) (stop func() bool, ok bool) { return nil, false }
