package ipc

import (
	"context"
	"time"

	"github.com/mpgo/mp/internal/explore"
	"github.com/mpgo/mp/internal/sys"
)

// What this package knows of time it knows from here, because in an exploration
// time passes as the model has it.

// started is what the clock of waiting counts from; the distance to a fixed time is
// the cheapest reading of the monotonic clock.
var started = time.Now()

// elapsed is the time since started.
func elapsed() time.Duration {
	if explore.Running() {
		return explore.Now()
	}
	return time.Since(started)
}

// monotonic is CLOCK_MONOTONIC, which all processes have in common.
func monotonic() int64 {
	if explore.Running() {
		return int64(explore.Now())
	}
	return sys.Monotonic()
}

// afterFunc is time.AfterFunc.
func afterFunc(d time.Duration, f func()) (stop func() bool) {
	if explore.Running() {
		return explore.AfterFunc(d, f)
	}
	return time.AfterFunc(d, f).Stop
}

// withCancel is context.WithCancel.
func withCancel(ctx context.Context) (context.Context, context.CancelFunc) {
	if c, cancel, ok := explore.WithCancel(ctx); ok {
		return c, cancel
	}
	return context.WithCancel(ctx)
}

// afterDone is context.AfterFunc.
func afterDone(ctx context.Context, f func()) (stop func() bool) {
	if stop, ok := explore.AfterDone(ctx, f); ok {
		return stop
	}
	return context.AfterFunc(ctx, f)
}
