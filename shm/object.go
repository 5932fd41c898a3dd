package shm

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// An Object is this process's hold on one block of the arena. All handles of a
// process to one block share its Object; the last to close it gives the hold
// back, and the block is freed if nobody else has one.
//
// A process that dies gives back all of its holds.
type Object struct {
	arena *Arena
	place place
	ref   Ref
	kind  Kind
	data  []byte

	count   atomic.Int64 // handles; 0 is reached, and raised by Open, with arena.mu only
	closing bool         // the last handle is being closed; guarded by arena.mu

	making sync.Mutex // guards the making of view
	view   any        // what a layer above keeps for all handles of this process
}

// New makes a zeroed block of n bytes, held by this process once.
//
// kind and typ come back with every Open, which refuses others. Lack of memory
// is an error that errors.Is finds as ENOSPC (of the arena) or ENOMEM (of the
// machine); nothing is lost by it.
func (a *Arena) New(kind Kind, typ uint32, n int) (*Object, error) {
	if n < 0 {
		return nil, fmt.Errorf("shm: a block of %d bytes", n)
	}
	p, err := a.claim(max(n, 1), false)
	if err != nil {
		return nil, err
	}
	return a.publish(p, max(n, 1), uint32(kind), typ), nil
}

// enter makes the Object of a block that this process has just come to hold. mu
// is held.
func (a *Arena) enter(p place, r Ref) *Object {
	o := &Object{
		arena: a,
		place: p,
		ref:   r,
		kind:  Kind(p.head.kind.Load() & kindMask),
		data:  a.memory(p),
	}
	o.count.Store(1)
	a.objects[r.Off] = o
	return o
}

// Open comes to hold the block that r names. It is ErrClosed if that is gone,
// ErrForeign if r is of another arena or names something else.
func (a *Arena) Open(r Ref, kind Kind, typ uint32) (*Object, error) {
	if r.Arena != a.id {
		return nil, fmt.Errorf("shm: %v belongs to another program's arena, this one is %08x: %w", r, a.id, ErrForeign)
	}
	p, ok := a.at(r.Off)
	if !ok {
		return nil, fmt.Errorf("shm: %v names no block: %w", r, ErrClosed)
	}
	o, err := a.openAfterClosing(p, r, kind, typ)
	switch err {
	case nil:
		return o, nil
	case ErrForeign:
		err = fmt.Errorf("shm: %v is an object of another type: %w", r, err)
	default:
		err = fmt.Errorf("shm: %v: %w", r, err)
	}
	a.collect(p, p.head.load().gen()) // our bit may have kept it for a moment
	return nil, err
}

// openAfterClosing waits if this process is just giving its hold on the block
// back, so that there is one Object for it at a time.
func (a *Arena) openAfterClosing(p place, r Ref, kind Kind, typ uint32) (*Object, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for o := a.objects[r.Off]; o != nil && o.closing; o = a.objects[r.Off] {
		a.closed.Wait()
	}
	return a.openLocked(p, r, kind, typ)
}

// openLocked returns ErrClosed or ErrForeign as they are.
func (a *Arena) openLocked(p place, r Ref, kind Kind, typ uint32) (*Object, error) {
	h := p.head
	if o := a.objects[r.Off]; o != nil {
		return o.again(r, kind, typ)
	}
	if !h.load().usable(r.Gen) {
		return nil, ErrClosed // without disturbing whoever has the place now
	}
	h.hold(a.self)
	err := ErrClosed
	if h.confirm(r.Gen) {
		if err = h.check(kind, typ); err == nil {
			h.untie(anchor(a.self)) // what was addressed to us is held by us instead
			return a.enter(p, r), nil
		}
	}
	h.unhold(a.self)
	return nil, err
}

// again is openLocked for a place of which this process holds a block: r, or r's
// block is gone.
func (o *Object) again(r Ref, kind Kind, typ uint32) (*Object, error) {
	if o.ref != r {
		return nil, ErrClosed
	}
	if err := o.place.head.check(kind, typ); err != nil {
		return nil, err
	}
	o.count.Add(1)
	return o, nil
}

// anyKind is for Open by who does not look into the block.
const anyKind Kind = 0

// check returns ErrForeign unless the block is of that kind and type. The caller
// holds it.
func (h *header) check(kind Kind, typ uint32) error {
	if kind == anyKind {
		return nil
	}
	if Kind(h.kind.Load()&kindMask) != kind || h.typ.Load() != typ {
		return ErrForeign
	}
	return nil
}

// confirm reports whether the block is in use as generation gen, after the caller
// has set its bit. It withdraws the question of whoever asks if it is needed.
func (h *header) confirm(gen uint32) bool {
	for {
		s := h.load() // observes publish
		switch {
		case !s.usable(gen):
			return false
		case s.phase() == live:
			return true
		}
		h.cas(s, s.to(live, Nobody)) // revives it; if it fails, look again
	}
}

// InUse reports whether r names a block of that kind now. It is for those who keep
// something for the block in one process, and do not hold it: once it is false, it stays
// so.
func (a *Arena) InUse(r Ref, kind Kind) bool {
	p, ok := a.find(r)
	return ok && Kind(p.head.kind.Load()&kindMask) == kind
}

// Ref names the block for other processes.
func (o *Object) Ref() Ref { return o.ref }

// Arena is where the block lies.
func (o *Object) Arena() *Arena { return o.arena }

// Bytes is the block's memory, valid until the Object is closed.
func (o *Object) Bytes() []byte { return o.data }

// Hold adds a handle. It reports false, and does nothing, if the last one has been closed:
// who has none of his own may be too late.
func (o *Object) Hold() bool {
	for n := o.count.Load(); n > 0; n = o.count.Load() {
		if o.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// View is what all handles of this process to the block share. The first call
// makes it; one that makes nil leaves that to the next.
func (o *Object) View(make func() any) any {
	o.making.Lock()
	defer o.making.Unlock()
	if o.view == nil {
		o.view = make()
	}
	return o.view
}

// Close gives one handle back, and with the last one the hold; a view that is an
// io.Closer is closed before. The caller closes each handle once.
func (o *Object) Close() {
	if o.isLast() {
		o.giveBack()
	}
}

// isLast takes one handle away, and reports whether there is none left.
func (o *Object) isLast() bool {
	for n := o.count.Load(); n > 1; n = o.count.Load() {
		if o.count.CompareAndSwap(n, n-1) {
			return false
		}
	}
	o.arena.mu.Lock()
	defer o.arena.mu.Unlock()
	last := o.count.Add(-1) == 0
	o.closing = o.closing || last
	return last
}

// giveBack ends the hold.
func (o *Object) giveBack() {
	a := o.arena
	if c, ok := o.view.(io.Closer); ok {
		_ = c.Close() // who still waits in this process gets ErrClosed
	}
	a.mu.Lock()
	delete(a.objects, o.ref.Off)
	o.place.head.unhold(a.self)
	a.closed.Broadcast()
	a.mu.Unlock()
	a.collect(o.place, o.ref.Gen)
}
