package mp

import (
	"context"
	"runtime"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// An Event is a flag that processes wait for. It may be sent to other processes
// and is the same flag there. It must not be copied.
//
// Whoever is killed while it waits, or right after it set the flag, holds nobody
// up. Python: Event.
type Event struct {
	handle[*ipc.Event, events]
}

// events describes the blocks of Events.
type events struct{}

func (events) what() string   { return "Event" }
func (events) kind() shm.Kind { return kindEvent }
func (events) typ() uint32    { return 0 }

func (events) open(o *shm.Object) (*ipc.Event, error) {
	return ipc.NewEvent(o.Arena(), shm.At[ipc.EventState](o.Bytes(), 0)), nil
}

// NewEvent makes an Event whose flag is not set. It takes 128 bytes of shared
// memory.
func NewEvent() (*Event, error) {
	obj, err := create(events{}, ipc.EventSize)
	if err != nil {
		return nil, err
	}
	e := new(Event)
	return e, e.bind(obj)
}

// Set sets the flag and lets go everybody who waits. It waits for none of them. The
// error is ErrClosed if the handle is freed.
func (e *Event) Set() error {
	if !e.usable() {
		return e.unusable()
	}
	err := e.view.Set()
	runtime.KeepAlive(e)
	if err != nil {
		return e.tell("set", err)
	}
	return nil
}

// Clear unsets the flag. Those who were waiting when it was set go on all the
// same.
func (e *Event) Clear() error {
	if !e.usable() {
		return e.unusable()
	}
	err := e.view.Clear()
	runtime.KeepAlive(e)
	if err != nil {
		return e.tell("clear", err)
	}
	return nil
}

// IsSet reports whether the flag is set.
func (e *Event) IsSet() bool {
	if !e.usable() {
		return false
	}
	set := e.view.IsSet()
	runtime.KeepAlive(e)
	return set
}

// Wait waits until the flag is set, or ctx ends. The error is ctx's, or ErrClosed if
// the handle is freed.
func (e *Event) Wait(ctx context.Context) error {
	if !e.usable() {
		return e.unusable()
	}
	err := e.view.Wait(ctx)
	runtime.KeepAlive(e)
	if err != nil {
		return e.tell("wait", err)
	}
	return nil
}

// String tells whether the flag is set.
func (e *Event) String() string {
	if !e.usable() {
		return "Event (freed)"
	}
	s := e.view.String()
	runtime.KeepAlive(e)
	return s
}

// Free gives this handle back; it cannot be used any more.
func (e *Event) Free() error { return e.free() }
