package shm

import "fmt"

// A place is one block as the arena finds it: its header and where it lies.
type place struct {
	head   *header
	unit   int
	offset int64
	size   int // bytes there are
}

// claim takes a block of at least n bytes for this process alone. Its memory is
// zero.
func (a *Arena) claim(n int) (place, error) {
	if int64(n) > int64(a.geo.units)*unitSize {
		return place{}, fmt.Errorf("shm: %w: %d bytes, and the whole arena has %d", ErrTooLarge, n, int64(a.geo.units)*unitSize)
	}
	if c, ok := classFor(n); ok {
		p, err := a.claimSmall(c)
		if err == nil {
			clear(a.base[p.offset:][:p.size])
		}
		return p, err
	}
	if err := checkMemory(int64(n)); err != nil {
		return place{}, err
	}
	count := unitsFor(int64(n))
	u, err := a.claimRun(count)
	if err != nil {
		return place{}, err
	}
	if err := a.layRun(u, count, int64(n)); err != nil {
		return place{}, err
	}
	return place{head: &a.units[u], unit: u, offset: a.geo.unitOffset(u), size: count * unitSize}, nil
}

// publish makes a claimed block live, held by this process.
func (a *Arena) publish(p place, n int, k Kind, flags uint32, typ uint32, parent Ref) Ref {
	h := p.head
	h.size.Store(uint64(n))
	h.kind.Store(uint32(k) | flags)
	h.typ.Store(typ)
	h.parent.Store(0)
	if !parent.IsZero() {
		h.parent.Store(parentBits(parent))
	}
	h.hold(a.self)
	s := h.load().to(live, Nobody)
	h.put(s)
	return Ref{Arena: a.id, Gen: s.gen(), Off: uint64(p.offset)}
}

// at finds the block that begins at an offset, whatever its state.
func (a *Arena) at(off uint64) (place, bool) {
	if off < uint64(a.geo.data) || off >= uint64(a.geo.unitOffset(a.geo.units)) {
		return place{}, false
	}
	u := int((off - uint64(a.geo.data)) / unitSize)
	if u >= int(a.head.highWater.Load()) {
		return place{}, false
	}
	within := int(off-uint64(a.geo.data)) % unitSize
	c, isSpan := a.spanClass(u)
	if !isSpan {
		return a.run(u), within == 0
	}
	within -= c.firstBlock()
	if within < 0 || within%c.blockSize() != 0 {
		return place{}, false
	}
	return a.small(u, c, within/c.blockSize()), true
}

func (a *Arena) run(u int) place {
	return place{head: &a.units[u], unit: u, offset: a.geo.unitOffset(u), size: a.runLength(u) * unitSize}
}

func (a *Arena) small(u int, c class, i int) place {
	return place{head: &a.spanHeaders(u, c)[i], unit: u, offset: a.blockOffset(u, c, i), size: c.blockSize()}
}

// blocks visits every block that may be in use, until visit says false. Blocks
// come and go meanwhile.
func (a *Arena) blocks(visit func(place) bool) {
	for u := range int(a.head.highWater.Load()) {
		c, isSpan := a.spanClass(u)
		if !isSpan {
			if p := a.units[u].load().phase(); p != free && p != tail && !visit(a.run(u)) {
				return
			}
			continue
		}
		for i := range c.perSpan() {
			p := a.small(u, c, i)
			if p.head.load().phase() != free && !visit(p) {
				return
			}
		}
	}
}

// ref names the block as it is now.
func (a *Arena) ref(p place) Ref {
	return Ref{Arena: a.id, Gen: p.head.load().gen(), Off: uint64(p.offset)}
}

// collect frees the block of this generation if nobody holds it any more. It is
// called by whoever may have been the last to hold it, after letting go.
func (a *Arena) collect(p place, gen uint32) {
	h := p.head
	for {
		s := h.load()
		if s.phase() != live || s.gen() != gen || a.needed(p, gen) {
			return
		}
		asking := s.to(freeing, a.self)
		if !h.cas(s, asking) {
			continue // another asks, or revived it, or it is gone
		}
		// Who came to hold it before this saw live and goes on; its bit, set before
		// that, is seen now. Who comes later sees freeing and revives it.
		if !a.needed(p, gen) {
			if h.cas(asking, s.to(doomed, a.self)) {
				a.free(p)
			}
			return
		}
		// Withdraw the question, and look once more: whoever let go while it was
		// asked relied on the one who asked.
		h.cas(asking, s)
	}
}

// needed reports whether anything keeps the block alive: a process, a parcel
// under way, or the block it belongs to.
func (a *Arena) needed(p place, gen uint32) bool {
	return p.head.held() ||
		a.parentLives(p) ||
		p.head.is(flagCarried) && a.carried(Ref{Arena: a.id, Gen: gen, Off: uint64(p.offset)})
}

// parentLives reports whether the block belongs to another that is in use, and,
// if it is enclosed in a message there, whether that is still to be had.
func (a *Arena) parentLives(p place) bool {
	bits := p.head.parent.Load() // observes Enclose
	if bits == 0 {
		return false
	}
	parent, ok := a.at(bits >> generationBits * headerSize)
	if !ok {
		return false
	}
	s := parent.head.load()
	if s.gen() != uint32(bits&maxBlockGen) || s.phase() != live && s.phase() != freeing {
		return false
	}
	ask := a.pending[Kind(parent.head.kind.Load()&kindMask)]
	return ask == nil || ask(a.memory(parent), a.stamp(p))
}

// memory is what was asked for of a block.
func (a *Arena) memory(p place) []byte {
	n := min(uint64(p.size), p.head.size.Load())
	return a.base[p.offset:][:n:n]
}

// free ends the use of a doomed block of this process's, and lets go of what it
// kept alive. Killed between the two, the next burial finds what nobody keeps.
func (a *Arena) free(p place) {
	h := p.head
	kept := a.contents(p)
	if h.is(flagParent) {
		kept = append(kept, a.children(a.ref(p))...)
	}
	if c, isSpan := a.spanClass(p.unit); isSpan {
		s := h.load()
		h.put(s.to(free, Nobody))
		i := int(p.offset-a.geo.unitOffset(p.unit)-int64(c.firstBlock())) / c.blockSize()
		a.cursors[c].Store(cursorAt(p.unit, i))
	} else {
		a.freeRun(p.unit)
	}
	for _, r := range kept {
		if q, ok := a.at(r.Off); ok {
			a.collect(q, r.Gen)
		}
	}
}

// children are the blocks that name the block r as their parent.
func (a *Arena) children(r Ref) []Ref {
	var list []Ref
	bits := parentBits(r)
	a.blocks(func(p place) bool {
		if p.head.parent.Load() == bits {
			list = append(list, a.ref(p))
		}
		return true
	})
	return list
}
