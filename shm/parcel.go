package shm

import (
	"encoding/binary"
	"fmt"
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
// A parcel under way is held by its addressee (Address), not by its sender: the
// sender's death loses nothing that was sent. What a dead sender addressed but
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
	p, err := a.claim(size)
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
	return a.adopt(p, a.publish(p, size, kind, flags, typ, Ref{})), nil
}

// Kept are the Refs that a parcel or another keeper lists.
func (o *Object) Kept() []Ref {
	p, ok := o.arena.at(o.ref.Off)
	if !ok {
		return nil
	}
	return o.arena.contents(p)
}

// markCarried notes that parcels must be asked before the block is freed.
func (a *Arena) markCarried(r Ref) error {
	p, ok := a.at(r.Off)
	if !ok || r.Arena != a.id || p.head.load().gen() != r.Gen {
		return fmt.Errorf("shm: %v: %w", r, ErrClosed)
	}
	p.head.kind.Or(flagCarried)
	return nil
}

// Payload is the bytes of a parcel or another keeper, valid while the Object is
// held.
func (o *Object) Payload() ([]byte, error) {
	b := o.Bytes()
	count, ok := parcelCount(b)
	if !ok {
		return nil, fmt.Errorf("shm: %v is no parcel: %w", o.ref, ErrDamaged)
	}
	b = b[parcelHeader+count*RefSize:]
	if n := binary.LittleEndian.Uint64(o.Bytes()[8:]); n <= uint64(len(b)) {
		return b[:n:n], nil
	}
	return nil, fmt.Errorf("shm: parcel %v is shorter than it says: %w", o.ref, ErrDamaged)
}

// parcelCount is how many Refs the parcel lists, checked against its size.
func parcelCount(b []byte) (int, bool) {
	if len(b) < parcelHeader {
		return 0, false
	}
	n := int(binary.LittleEndian.Uint32(b))
	return n, n <= (len(b)-parcelHeader)/RefSize
}

// Address hands the parcel to another process, which finds it by its Ref and
// opens it. The caller's own hold stays until it is closed. It reports false,
// and hands over nothing, if the addressee is dead.
func (o *Object) Address(to Incarnation) bool {
	o.head.hold(to)
	// The addressee's burial clears its bit from all blocks after it was declared
	// dead: alive here, the bit is seen there.
	if o.arena.Alive(to) {
		return true
	}
	o.head.unhold(to)
	return false
}

// Enclose makes the parcel belong to a message of parent, a block of a kind that
// has an OnPending: it lives as long as parent does and the message that stamp
// names is pending. The caller's own hold stays until it is closed.
func (o *Object) Enclose(parent *Object, stamp uint64) {
	binary.LittleEndian.PutUint64(o.Bytes()[16:], stamp)
	parent.head.kind.Or(flagParent)
	o.head.parent.Store(parentBits(parent.ref)) // publishes the stamp; observed in parentLives
}

// OnPending tells how to find out whether a message is still to be had: ask gets
// the memory of a block of that kind and the stamp of a message. It is called
// once for a kind, before the arena is used.
func (a *Arena) OnPending(kind Kind, ask func(mem []byte, stamp uint64) bool) {
	a.pending[kind] = ask
}

// DropUndelivered gives back the parcels that a dead process addressed to this
// one and never announced. The caller has opened all that were.
func (a *Arena) DropUndelivered(sender Incarnation) {
	a.blocks(func(p place) bool {
		h := p.head
		s := h.load()
		if s.phase() == live && h.kind.Load()&kindMask == uint32(KindParcel) && h.heldBy(a.self) && a.sentBy(p, sender) {
			a.dropUnopened(p, s.gen())
		}
		return true
	})
}

// stamp is that of the message the parcel is enclosed in.
func (a *Arena) stamp(p place) uint64 {
	return binary.LittleEndian.Uint64(a.base[p.offset+16:])
}

func (a *Arena) sentBy(p place, sender Incarnation) bool {
	return Incarnation(binary.LittleEndian.Uint32(a.base[p.offset+4:])) == sender
}

// dropUnopened lets go of a block that the table says this process holds but no
// Object stands for.
func (a *Arena) dropUnopened(p place, gen uint32) {
	a.mu.Lock()
	_, opened := a.objects[uint64(p.offset)]
	if !opened {
		p.head.unhold(a.self)
	}
	a.mu.Unlock()
	if !opened {
		a.collect(p, gen)
	}
}

// contents are the Refs that a block keeps alive.
func (a *Arena) contents(p place) []Ref {
	if !p.head.is(flagCarries) {
		return nil
	}
	b := a.memory(p)
	count, ok := parcelCount(b)
	if !ok {
		return nil
	}
	refs := make([]Ref, count)
	for i := range refs {
		_ = refs[i].UnmarshalBinary(b[parcelHeader+i*RefSize:][:RefSize])
	}
	return refs
}

// carried reports whether a parcel under way lists r.
func (a *Arena) carried(r Ref) (found bool) {
	a.blocks(func(p place) bool {
		if !p.head.is(flagCarries) {
			return true
		}
		switch p.head.load().phase() {
		case live, freeing: // freeing may yet be revived
			found = a.lists(p, r)
		}
		return !found
	})
	return found
}

func (a *Arena) lists(p place, r Ref) bool {
	for _, c := range a.contents(p) {
		if c == r {
			return true
		}
	}
	return false
}
