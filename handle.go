package mp

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"

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
)

// A handle is one Go value's share in a shared object. The object lives as long
// as some process has a handle to it, or a message under way carries one. Free
// gives the share back at once, garbage collection of the handle some time, the
// death of the process at once.
//
// Handles travel: encoded they are the object's Ref, and decoding one, in
// whatever process of the tree, makes a handle there.
type handle struct {
	obj   *shm.Object
	freed atomic.Bool
	clean runtime.Cleanup
}

// hold makes h a handle of o, taking over one of o's counts. h must be a part of
// the Go value whose reachability is the handle's life.
func (h *handle) hold(o *shm.Object) {
	h.obj = o
	h.clean = runtime.AddCleanup(h, (*shm.Object).Close, o)
}

// use returns the object, or why the handle has none.
func (h *handle) use(what string) (*shm.Object, error) {
	switch {
	case h.obj == nil:
		return nil, fmt.Errorf("mp: this %s is empty; make one with New%s: %w", what, what, ErrClosed)
	case h.freed.Load():
		return nil, fmt.Errorf("mp: this %s was freed: %w", what, ErrClosed)
	}
	return h.obj, nil
}

// usable reports whether use would succeed; unusable is why not.
func (h *handle) usable() bool { return h.obj != nil && !h.freed.Load() }

func (h *handle) unusable(what string) error {
	_, err := h.use(what)
	return err
}

// create makes the block of a new shared object.
func create(kind shm.Kind, typ uint32, n int) (*shm.Object, error) {
	a, err := arena()
	if err != nil {
		return nil, err
	}
	return a.New(kind, typ, n)
}

// free gives the share back.
func (h *handle) free(what string) error {
	if _, err := h.use(what); err != nil {
		return err
	}
	if h.freed.Swap(true) {
		return fmt.Errorf("mp: this %s was freed: %w", what, ErrClosed)
	}
	h.clean.Stop()
	h.obj.Close()
	return nil
}

// wireRef is the object's name in messages.
func (h *handle) wireRef(what string) (shm.Ref, error) {
	o, err := h.use(what)
	if err != nil {
		return shm.Ref{}, err
	}
	return o.Ref(), nil
}

// In CBOR a handle is a byte string of shm.RefSize bytes (RFC 8949, major type 2).
const cborRef = 0x40 | shm.RefSize

func (h *handle) marshal(what string) ([]byte, error) {
	r, err := h.wireRef(what)
	if err != nil {
		return nil, err
	}
	return r.AppendBinary([]byte{cborRef})
}

// receive opens the object that the encoded handle names.
func receive(encoded []byte, kind shm.Kind, typ uint32, what string) (*shm.Object, error) {
	ref, ok := bytes.CutPrefix(encoded, []byte{cborRef})
	var r shm.Ref
	if !ok || r.UnmarshalBinary(ref) != nil {
		return nil, fmt.Errorf("mp: %d bytes that are no %s", len(encoded), what)
	}
	a, err := arena()
	if err != nil {
		return nil, err
	}
	o, err := a.Open(r, kind, typ)
	if err != nil {
		return nil, fmt.Errorf("mp: a %s from another process: %w", what, err)
	}
	return o, nil
}
