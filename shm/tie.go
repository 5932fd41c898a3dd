package shm

// A block that one process has for another one, who will come for it soon, can be tied to
// a block that both hold: it lives as long as that one, whoever dies, until the other
// has it. That is what a parcel does, for a single block and without one.
//
// # A kill after each step
//
//	Tie           the block lives on, until the one it is tied to is freed
//	hold          it is held, and tied
//	untie         it is held
//
// Who is tied to a block is collected when that is freed.

// Tie ties the block that r names, which this process holds, to o, which it holds as well.
// It reports false, and does nothing, if the block is tied to something that lives, or
// given back meanwhile.
func (o *Object) Tie(r Ref) bool {
	a := o.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.objects[r.Off]
	if b == nil || b.ref != r || b.closing || a.objects[o.ref.Off] != o || o.closing {
		return false
	}
	old := b.place.head.anchored()
	if old != 0 && a.anchored(b.place) {
		return false
	}
	o.place.head.mark(flagParent)
	return b.place.head.retie(old, anchorAt(o.ref))
}

// Untie takes back a Tie that nobody has been told of. This process still holds the block.
func (o *Object) Untie(r Ref) {
	if p, ok := o.arena.at(r.Off); ok {
		p.head.untie(anchorAt(o.ref))
	}
}

// OpenTied is Open for a block of whatever kind that was tied to o, and is not any more.
func (o *Object) OpenTied(r Ref) (*Object, error) {
	b, err := o.arena.Open(r, anyKind, 0)
	if err == nil {
		b.place.head.untie(anchorAt(o.ref)) // it is held by us instead
	}
	return b, err
}
