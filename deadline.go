package mp

import (
	"context"
	"os"
	"sync"
	"time"
)

// A deadline is a time until which operations wait, that can be changed while they
// do. A zero one is never.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	now   *expiry // of the operations that begin now; nil if nobody asked yet
}

// An expiry is the context of operations up to the next deadline that passes.
type expiry struct {
	context.Context
	done chan struct{} // closed when it has passed
}

// Done is closed when the deadline has passed.
func (e *expiry) Done() <-chan struct{} { return e.done }

// Err is os.ErrDeadlineExceeded after that.
func (e *expiry) Err() error {
	if isClosed(e.done) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// context is for an operation that begins now.
func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current()
}

// current is now, made if need be. mu is held.
func (d *deadline) current() *expiry {
	if d.now == nil {
		d.now = &expiry{context.Background(), make(chan struct{})}
	}
	return d.now
}

// set sets another deadline, the zero time for never. It is that of the operations
// under way, too, unless theirs has passed.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop() // if it is too late for that, expire finds another timer here
	}
	d.timer = nil
	if d.now != nil && isClosed(d.now.done) {
		d.now = nil
	}
	if !t.IsZero() {
		d.wait(d.current(), time.Until(t))
	}
}

// wait closes e when the time has come, and is still this one. mu is held.
func (d *deadline) wait(e *expiry, rest time.Duration) {
	if rest <= 0 {
		close(e.done)
		return
	}
	var mine *time.Timer
	mine = time.AfterFunc(rest, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == mine {
			close(e.done)
			d.timer = nil
		}
	})
	d.timer = mine
}
