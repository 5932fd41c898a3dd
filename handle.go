package mp

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// Kinds of shared objects.
const (
	kindMutex shm.Kind = shm.KindUser + iota
	kindValue
	kindArray
	kindQueue
	kindBirth
	kindLink
	kindEvent
	kindOnce
	kindRWMutex
	kindRLock
	kindCond
	kindSemaphore
	kindBoundedSemaphore
	kindBarrier
	kindSegment
	kindLeases
	kindSpares
	kindPipe
	kindConn
	kindFile
)

// A handle is one Go value's share in a shared object, and the part that all
// exported types of shared objects have in common. The object lives as long as
// some process has a handle to it, or a message under way carries one. Free gives
// the share back at once, garbage collection of the handle some time, the death
// of the process at once.
//
// Handles travel: encoded they are the object's Ref, and decoding one, in
// whatever process of the tree, makes a handle there.
//
// V is what all handles of a process to one object share, such as an *ipc.Mutex;
// D says how the objects of the type are made and known.
type handle[V any, D descriptor[V]] struct {
	*share[V]
}

// A share is what changes of a handle, or nil in an empty one. It is apart because
// an encoder may copy the handle.
type share[V any] struct {
	obj   *shm.Object
	view  V
	freed atomic.Bool
	clean runtime.Cleanup
	quick quickWays
}

// quickWays are where a handle's goroutines go without any other look, if there are any: see
// hasten. They end with the handle.
type quickWays struct {
	ring    atomic.Pointer[ipc.Ring]     // of a Queue
	out, in atomic.Pointer[ipc.Favoured] // of a Conn
}

// A descriptor is a type without values of interest.
type descriptor[V any] interface {
	what() string                  // the type's name, for messages
	kind() shm.Kind                // of its blocks
	typ() uint32                   // tells types of one kind apart
	open(o *shm.Object) (V, error) // makes this process's view of the block; checks what is there
}

// create makes the block of a new object of n bytes.
func create[V any, D descriptor[V]](d D, n int) (*shm.Object, error) {
	a, err := arena()
	if err != nil {
		return nil, err
	}
	o, err := a.New(d.kind(), d.typ(), n)
	if full(err) {
		reclaim()
		o, err = a.New(d.kind(), d.typ(), n)
	}
	if err != nil {
		return nil, fmt.Errorf("mp: a new %s: %w", d.what(), err)
	}
	return o, nil
}

// bind makes h a handle of o, taking over one of o's counts, also if it fails.
func (h *handle[V, D]) bind(o *shm.Object) error {
	var d D
	var err error
	view, ok := o.View(func() any {
		v, failed := d.open(o)
		err = failed
		if failed != nil {
			return nil
		}
		return v
	}).(V)
	if !ok {
		o.Close()
		return fmt.Errorf("mp: a %s that makes no sense: %w", d.what(), err)
	}
	h.share = &share[V]{obj: o, view: view}
	h.clean = runtime.AddCleanup(h.share, (*shm.Object).Close, o)
	press(len(o.Bytes()))
	return nil
}

// usable reports whether the handle has its object; unusable is why not.
func (h *handle[V, D]) usable() bool { return h.share != nil && !h.freed.Load() }

func (h *handle[V, D]) unusable() error {
	var d D
	if h.share == nil {
		return fmt.Errorf("mp: this %s is empty; make one with New%s: %w", d.what(), d.what(), ErrClosed)
	}
	return fmt.Errorf("mp: this %s was freed: %w", d.what(), ErrClosed)
}

// tell adds to an error what was tried with which object. Without an error nobody calls
// it: that costs as much as a quarter of a Lock.
func (h *handle[V, D]) tell(what string, err error) error {
	var d D
	return fmt.Errorf("mp: %s: %s: %w", d.what(), what, err)
}

// free gives the share back.
func (h *handle[V, D]) free() error {
	if h.share == nil || h.freed.Swap(true) {
		return h.unusable()
	}
	h.quick.ring.Store(nil) // after freed was set: see hasten
	h.quick.out.Store(nil)
	h.quick.in.Store(nil)
	h.clean.Stop()
	h.obj.Close()
	return nil
}

// hasten has the goroutines of a handle go by a quick way from now on. It does nothing for a
// handle that is freed meanwhile: who of this and free stores last has seen that.
func hasten[W any](way *atomic.Pointer[W], to *W, freed *atomic.Bool) {
	if way.Load() == to {
		return
	}
	way.Store(to)
	if freed.Load() {
		way.Store(nil)
	}
}

// WireRef names the object in messages.
func (h *handle[V, D]) WireRef() (shm.Ref, error) {
	if !h.usable() {
		return shm.Ref{}, h.unusable()
	}
	return h.obj.Ref(), nil
}

// In CBOR a handle is a byte string of shm.RefSize bytes (RFC 8949, major type 2).
const cborRef = 0x40 | shm.RefSize

// MarshalCBOR encodes the handle for another process of the tree.
func (h *handle[V, D]) MarshalCBOR() ([]byte, error) {
	r, err := h.WireRef()
	if err != nil {
		return nil, err
	}
	return r.AppendBinary([]byte{cborRef})
}

// UnmarshalCBOR makes h a handle of the object that was encoded.
func (h *handle[V, D]) UnmarshalCBOR(encoded []byte) error {
	var d D
	ref, ok := bytes.CutPrefix(encoded, []byte{cborRef})
	var r shm.Ref
	if !ok || r.UnmarshalBinary(ref) != nil {
		return fmt.Errorf("mp: %d bytes that are no %s: %w", len(encoded), d.what(), shm.ErrDamaged)
	}
	return h.WireBind(r)
}

// WireBind makes h a handle of the object that r names, which was in a message.
func (h *handle[V, D]) WireBind(r shm.Ref) error {
	var d D
	a, err := arena()
	if err != nil {
		return err
	}
	o, err := a.Open(r, d.kind(), d.typ())
	if err != nil {
		return fmt.Errorf("mp: a %s from another process: %w", d.what(), err)
	}
	return h.bind(o)
}
