package shm

import (
	"fmt"
	"io"
	"sync"
)

// An Object is this process's hold on one block of the arena. All handles of a
// process to one block share its Object; the last to close it gives the hold
// back, and the block is freed if nobody else has one.
//
// A process that dies gives back all of its holds.
type Object struct {
	arena *Arena
	head  *header
	ref   Ref
	kind  Kind
	data  []byte

	// Guarded by arena.mu.
	count   int           // handles
	closing chan struct{} // made by the last handle's Close, closed when the hold is given back

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
	p, err := a.claim(max(n, 1))
	if err != nil {
		return nil, err
	}
	return a.adopt(p, a.publish(p, max(n, 1), kind, 0, typ, Ref{})), nil
}

// adopt makes the Object of a block that this process has just published.
func (a *Arena) adopt(p place, r Ref) *Object {
	o := a.object(p, r)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.objects[r.Off] = o
	return o
}

func (a *Arena) object(p place, r Ref) *Object {
	return &Object{
		arena: a,
		head:  p.head,
		ref:   r,
		kind:  Kind(p.head.kind.Load() & kindMask),
		data:  a.memory(p),
		count: 1,
	}
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
	o, err := a.openAfterClosing(p, r)
	if err != nil {
		a.collect(p, p.head.load().gen()) // our bit may have kept it for a moment
		return nil, err
	}
	if o.kind != kind || p.head.typ.Load() != typ {
		o.Close()
		return nil, fmt.Errorf("shm: %v is an object of another type: %w", r, ErrForeign)
	}
	return o, nil
}

// openAfterClosing waits if this process is just giving its hold on the block
// back, so that there is one Object for it at a time.
func (a *Arena) openAfterClosing(p place, r Ref) (*Object, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		o := a.objects[r.Off]
		if o == nil || o.closing == nil {
			return a.openLocked(p, r)
		}
		a.mu.Unlock()
		<-o.closing
		a.mu.Lock()
	}
}

func (a *Arena) openLocked(p place, r Ref) (*Object, error) {
	gone := fmt.Errorf("shm: %v: %w", r, ErrClosed)
	if o := a.objects[r.Off]; o != nil {
		if o.ref != r {
			return nil, gone
		}
		o.count++
		return o, nil
	}
	h := p.head
	h.hold(a.self)
	for {
		s := h.load()
		switch {
		case s.gen() == r.Gen && s.phase() == live:
			o := a.object(p, r)
			a.objects[r.Off] = o
			return o, nil
		case s.gen() == r.Gen && s.phase() == freeing:
			h.cas(s, s.to(live, Nobody)) // revive it
		default:
			h.unhold(a.self)
			return nil, gone
		}
	}
}

// Ref names the block for other processes.
func (o *Object) Ref() Ref { return o.ref }

// Arena is where the block lies.
func (o *Object) Arena() *Arena { return o.arena }

// Bytes is the block's memory, valid until the Object is closed.
func (o *Object) Bytes() []byte { return o.data }

// Hold adds a handle.
func (o *Object) Hold() {
	o.arena.mu.Lock()
	defer o.arena.mu.Unlock()
	o.count++
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
	a := o.arena
	a.mu.Lock()
	o.count--
	last := o.count == 0
	if last {
		o.closing = make(chan struct{})
	}
	a.mu.Unlock()
	if last {
		o.giveBack()
	}
}

// giveBack ends the hold.
func (o *Object) giveBack() {
	a := o.arena
	if c, ok := o.view.(io.Closer); ok {
		_ = c.Close() // who still waits in this process gets ErrClosed
	}
	a.mu.Lock()
	delete(a.objects, o.ref.Off)
	o.head.unhold(a.self)
	close(o.closing)
	a.mu.Unlock()
	p, _ := a.at(o.ref.Off)
	a.collect(p, o.ref.Gen)
}
