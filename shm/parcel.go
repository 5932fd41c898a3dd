package shm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// A parcel is a block that is itself a message: bytes, and the Refs that those
// bytes speak of. While the parcel is under way it keeps what it lists alive, so
// a sender may let go of an object as soon as it has sent it, and may die.
//
//	0    count   of Refs, uint32
//	4    sender  incarnation, uint32
//	8    length  of the payload, uint64
//	16   stamp   of the message it is enclosed in, uint64
//	24   count × Ref
//	…    payload
//
// A parcel under way is kept by its addressee (Address), not held by its sender:
// the sender's death loses nothing that was sent. An addressee that opens it holds
// it instead; one that dies keeps it no longer. What a dead sender addressed but
// never got to announce is given back by the addressee with DropUndelivered.
//
// A parcel may also be enclosed in a message of some queue (Enclose): then it
// lives as long as that message is to be had, whoever dies. Nothing records that
// but the queue itself, which is asked (OnPending).
//
// Who asks whether a parcel carries some block reads the lists of all parcels.
// That costs something only for blocks that were ever carried (flagCarried), and
// no count can be wrong after a kill.
const (
	// KeeperHeader is where in the block of a keeper that keeps nothing its Payload
	// begins.
	KeeperHeader = parcelHeader

	parcelHeader = 24

	// KindParcel is the kind of all parcels.
	KindParcel Kind = 1

	// KindUser is the first kind that is free for the layers above.
	KindUser Kind = 16
)

// NewParcel makes a parcel with room for n bytes of payload, keeping refs alive.
// This process must hold each of them while it makes the parcel.
func (a *Arena) NewParcel(refs []Ref, n int) (*Object, error) {
	return a.NewKeeper(KindParcel, 0, refs, n)
}

// NewKeeper is New for an object that keeps others alive as a parcel does: as
// long as it lives, what refs name lives. Its n bytes are its Payload.
func (a *Arena) NewKeeper(kind Kind, typ uint32, refs []Ref, n int) (*Object, error) {
	if n < 0 {
		return nil, fmt.Errorf("shm: a parcel of %d bytes", n)
	}
	for _, r := range refs {
		if err := a.markCarried(r); err != nil {
			return nil, err
		}
	}
	size := parcelHeader + len(refs)*RefSize + n
	p, err := a.claim(size, len(refs) > 0)
	if err != nil {
		return nil, err
	}
	b := a.base[p.offset:][:size]
	binary.LittleEndian.PutUint32(b, uint32(len(refs)))
	binary.LittleEndian.PutUint32(b[4:], uint32(a.self))
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	list := b[parcelHeader:parcelHeader]
	for _, r := range refs {
		list, _ = r.AppendBinary(list)
	}
	flags := uint32(0)
	if len(refs) > 0 {
		flags = flagCarries
	}
	return a.publish(p, size, uint32(kind)|flags, typ), nil
}

// Kept are the Refs that a parcel or another keeper lists.
func (o *Object) Kept() []Ref {
	return o.arena.contents(o.place)
}

// markCarried notes that parcels must be asked before the block is freed.
func (a *Arena) markCarried(r Ref) error {
	p, ok := a.find(r)
	if !ok {
		return fmt.Errorf("shm: %v: %w", r, ErrClosed)
	}
	p.head.mark(flagCarried)
	return nil
}

// Payload is the bytes of a parcel or another keeper, valid while the Object is
// held.
func (o *Object) Payload() ([]byte, error) {
	if b, ok := payload(o.Bytes()); ok {
		return b, nil
	}
	return nil, fmt.Errorf("shm: %v is no parcel, or shorter than it says: %w", o.ref, ErrDamaged)
}

// payload is the payload of a keeper with these bytes.
func payload(keeper []byte) ([]byte, bool) {
	count, ok := parcelCount(keeper)
	if !ok {
		return nil, false
	}
	room := keeper[parcelHeader+count*RefSize:]
	n := binary.LittleEndian.Uint64(keeper[8:])
	if n > uint64(len(room)) {
		return nil, false
	}
	return room[:n:n], true
}

// Room is how long the payload of a parcel can be made by Refill, or -1 if its
// memory is not to be used again: it keeps other blocks alive.
func (o *Object) Room() int {
	if count, ok := parcelCount(o.Bytes()); !ok || count > 0 {
		return -1
	}
	return len(o.Bytes()) - parcelHeader
}

// Refill makes an opened parcel one of n bytes of payload that this process has
// yet to write. Nobody else may hold it.
func (o *Object) Refill(n int) error {
	if n < 0 || n > o.Room() {
		return fmt.Errorf("shm: %d bytes in a parcel with room for %d: %w", n, o.Room(), ErrTooLarge)
	}
	binary.LittleEndian.PutUint32(o.Bytes()[4:], uint32(o.arena.self))
	binary.LittleEndian.PutUint64(o.Bytes()[8:], uint64(n))
	return nil
}

// Peek is the payload of the parcel or other keeper that r names, if it is in use
// now, or nil. It is not held by that, so it may end and change at any time: it is
// for those who ask, in OnPending, what its words are.
func (a *Arena) Peek(r Ref) []byte {
	p, ok := a.find(r)
	if !ok {
		return nil
	}
	b, ok := payload(a.memory(p))
	if !ok {
		return nil
	}
	return b
}

// parcelCount is how many Refs the parcel lists, checked against its size.
func parcelCount(b []byte) (int, bool) {
	if len(b) < parcelHeader {
		return 0, false
	}
	n := int(binary.LittleEndian.Uint32(b))
	return n, n <= (len(b)-parcelHeader)/RefSize
}

// Address hands the block to another process, once: that keeps it alive as long as
// the addressee is, until it opens it, and after that its hold. The caller's own
// hold stays until it is closed. It reports false, and hands over nothing, if the
// addressee is dead.
func (o *Object) Address(to Incarnation) bool {
	o.place.head.tie(anchor(to))
	return o.arena.Alive(to)
}

// Enclose makes the parcel belong to a message of parent, a block of a kind that
// has an OnPending: it lives as long as parent does and the message that stamp
// names is pending. The caller's own hold stays until it is closed.
func (o *Object) Enclose(parent *Object, stamp uint64) {
	binary.LittleEndian.PutUint64(o.Bytes()[16:], stamp)
	parent.place.head.mark(flagParent)
	o.place.head.tie(anchorAt(parent.ref)) // publishes the stamp; observed in anchored
}

// CollectEnclosed gives back the parcels enclosed in messages of o that are no
// longer to be had. Nobody else does before o goes, if whoever could have had them
// only said that they will not be taken.
func (o *Object) CollectEnclosed() {
	if !o.place.head.is(flagParent) {
		return
	}
	for _, r := range o.arena.children(o.ref) {
		if p, ok := o.arena.at(r.Off); ok {
			o.arena.collect(p, r.Gen)
		}
	}
}

// pending are the questions of OnPending.
var pending = map[Kind]func(a *Arena, mem []byte, stamp uint64) bool{}

// OnPending tells how to find out whether a message is still to be had: ask gets
// the memory of a block of that kind and the stamp of a message. It is called in
// an init function, once for a kind: an arena asks from its first moment.
func OnPending(kind Kind, ask func(a *Arena, mem []byte, stamp uint64) bool) {
	pending[kind] = ask
}

// DropUndelivered gives back the parcels that a dead process addressed to this
// one and never announced. The caller has opened all that were.
func (a *Arena) DropUndelivered(sender Incarnation) {
	a.blocks(func(p place) bool {
		if p.head.anchored() == anchor(a.self) {
			if gen, dropped := a.dropUnopened(p, sender); dropped {
				a.collect(p, gen)
			}
		}
		return true
	})
}

// dropUnopened unties a parcel of the sender's from this process. Under mu nobody
// opens it meanwhile; so what is addressed to us at the first look stays in use,
// and the same.
func (a *Arena) dropUnopened(p place, sender Incarnation) (gen uint32, dropped bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := p.head
	if h.anchored() != anchor(a.self) {
		return 0, false
	}
	s := h.load()
	if !s.usable(s.gen()) || h.check(KindParcel, 0) != nil || a.sender(p) != sender {
		return 0, false
	}
	h.untie(anchor(a.self))
	return s.gen(), true
}

// stamp is that of the message the parcel is enclosed in.
func (a *Arena) stamp(p place) uint64 {
	return binary.LittleEndian.Uint64(a.base[p.offset+16:])
}

// sender is who made the parcel.
func (a *Arena) sender(p place) Incarnation {
	return Incarnation(binary.LittleEndian.Uint32(a.base[p.offset+4:]))
}

// list is the encoded Refs that a block keeps alive.
func (a *Arena) list(p place) []byte {
	if !p.head.is(flagCarries) {
		return nil
	}
	b := a.memory(p)
	count, ok := parcelCount(b)
	if !ok {
		return nil
	}
	return b[parcelHeader:][:count*RefSize]
}

// contents are the Refs that a block keeps alive.
func (a *Arena) contents(p place) []Ref {
	var refs []Ref
	for b := range slices.Chunk(a.list(p), RefSize) {
		var r Ref
		_ = r.UnmarshalBinary(b) // of the right length
		refs = append(refs, r)
	}
	return refs
}

// carried reports whether a parcel under way lists r.
func (a *Arena) carried(r Ref) (found bool) {
	encoded, _ := r.AppendBinary(make([]byte, 0, RefSize))
	a.carriers(func(p place) bool {
		found = a.carries(p) && a.lists(p, encoded) && !a.within(p, r)
		return !found
	})
	return found
}

// within reports whether the parcel p is nothing but a message of r itself, which
// keeps nobody: to take it out, one would have to hold r already. The question was
// asked in public before (see doom), so whoever has opened the parcel since, and so
// holds it and not r, came to hold r first, and has withdrawn the question.
func (a *Arena) within(p place, r Ref) bool {
	return p.head.anchored() == anchorAt(r) && !p.head.held()
}

// carries reports whether the block is a parcel under way that lists anything.
// One of which is asked whether it is needed may yet turn out to be.
func (a *Arena) carries(p place) bool {
	if !p.head.is(flagCarries) {
		return false
	}
	s := p.head.load()
	return s.usable(s.gen())
}

func (a *Arena) lists(p place, encoded []byte) bool {
	for b := a.list(p); len(b) > 0; b = b[RefSize:] {
		if bytes.Equal(b[:RefSize], encoded) {
			return true
		}
	}
	return false
}
