package shm

import (
	"fmt"
	"sync"
)

// A place is one block as the arena finds it: its header and where it lies.
type place struct {
	head   *header
	unit   int
	offset int64
	size   int // bytes there are
}

// claim takes a block of at least n bytes for this process alone. Its memory is
// zero. A block that is to list others must be one that carries.
func (a *Arena) claim(n int, carries bool) (place, error) {
	if int64(n) > int64(a.geo.units)*unitSize {
		return place{}, fmt.Errorf("shm: %w: %d bytes, and the whole arena has %d", ErrTooLarge, n, int64(a.geo.units)*unitSize)
	}
	if c, ok := classFor(n, carries); ok {
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

// publish makes a claimed block live, held by this process, whose Object it
// returns. Both at once for the other goroutines: one with a stale Ref to the
// same place would take the bit for its own, and remove it.
func (a *Arena) publish(p place, n int, kind, typ uint32) *Object {
	h := p.head
	step()
	h.size.Store(uint64(n))
	h.kind.Store(kind)
	h.typ.Store(typ)
	h.anchor.Store(0)
	s := h.load().to(live, Nobody)
	a.mu.Lock()
	defer a.mu.Unlock()
	h.hold(a.self)
	h.put(s) // publishes the block; observed by confirm
	return a.enter(p, Ref{Arena: a.id, Gen: s.gen(), Off: uint64(p.offset)})
}

// at finds the block that begins at an offset, whatever its state.
func (a *Arena) at(off uint64) (place, bool) {
	if off < uint64(a.geo.data) || off >= uint64(a.geo.unitOffset(a.geo.units)) {
		return place{}, false
	}
	u := int((off - uint64(a.geo.data)) / unitSize)
	if u >= a.top() {
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

// find finds the block that r names, if it is in use now. Unless this process holds it,
// that may end at any time.
func (a *Arena) find(r Ref) (place, bool) {
	p, ok := a.at(r.Off)
	return p, ok && r.Arena == a.id && p.head.load().usable(r.Gen)
}

func (a *Arena) run(u int) place {
	return place{head: &a.units[u], unit: u, offset: a.geo.unitOffset(u), size: a.runLength(u) * unitSize}
}

func (a *Arena) small(u int, c class, i int) place {
	return place{head: &a.spanHeaders(u, c)[i], unit: u, offset: a.blockOffset(u, c, i), size: c.blockSize()}
}

// top is the high-water mark. Damaged, it is not above the arena.
func (a *Arena) top() int {
	return int(min(a.head.highWater.Load(), uint64(a.geo.units)))
}

// blocks visits every block that may be in use, until visit says false. Blocks
// come and go meanwhile.
func (a *Arena) blocks(visit func(place) bool) {
	a.blocksIn(func(class) bool { return true }, visit)
}

// carriers is blocks for those that may list others.
func (a *Arena) carriers(visit func(place) bool) { a.blocksIn(class.carries, visit) }

func (a *Arena) blocksIn(spans func(class) bool, visit func(place) bool) {
	for u := range a.top() {
		c, isSpan := a.spanClass(u)
		switch {
		case !isSpan:
			if p := a.units[u].load().phase(); p != free && p != tail && !visit(a.run(u)) {
				return
			}
		case spans(c) && !a.blocksOf(u, c, visit):
			return
		}
	}
}

// blocksOf visits the blocks of one span; it reports false if visit did.
func (a *Arena) blocksOf(u int, c class, visit func(place) bool) bool {
	for i := range c.perSpan() {
		p := a.small(u, c, i)
		if p.head.load().phase() != free && !visit(p) {
			return false
		}
	}
	return true
}

// ref names the block as it is now.
func (a *Arena) ref(p place) Ref { return a.refOf(p, p.head.load().gen()) }

func (a *Arena) refOf(p place, gen uint32) Ref {
	return Ref{Arena: a.id, Gen: gen, Off: uint64(p.offset)}
}

// questions are locks of this process. Blocks share them; neighbours do not.
type questions [64]sync.Mutex

func (q *questions) about(p place) *sync.Mutex {
	return &q[(p.offset/headerSize+int64(p.unit))%int64(len(q))]
}

// collect frees the block of this generation if nobody needs it any more. It is
// called by whoever may have been the last to hold it, after letting go.
func (a *Arena) collect(p place, gen uint32) {
	if a.doom(p, gen) {
		a.free(p)
	}
}

// doom asks whether anybody needs the block, and claims it to be freed if not.
func (a *Arena) doom(p place, gen uint32) bool {
	mu := a.questions.about(p)
	mu.Lock()
	defer mu.Unlock()
	h := p.head
	for {
		s := h.load()
		if s.phase() != live || s.gen() != gen || a.needed(p, gen) {
			return false
		}
		asking := s.to(freeing, a.self)
		if !h.cas(s, asking) {
			continue // another asks, or it is gone
		}
		// Who came to hold it before this saw live and goes on; its bit, set before
		// that, is seen now. Who comes later sees freeing and revives it, and the
		// question has failed.
		if !a.needed(p, gen) {
			return h.cas(asking, s.to(doomed, a.self))
		}
		// Withdraw the question, and look once more: whoever let go while it was
		// asked relied on the one who asked.
		h.cas(asking, s)
	}
}

// needed reports whether anything keeps the block alive: a process, the block it
// belongs to, or a parcel under way.
func (a *Arena) needed(p place, gen uint32) bool {
	return p.head.held() ||
		a.anchored(p) ||
		p.head.is(flagCarried) && a.carried(a.refOf(p, gen))
}

// anchored reports whether the block's anchor is alive and wants it.
func (a *Arena) anchored(p place) bool {
	k := p.head.anchored() // observes Address and Enclose
	switch {
	case k == 0:
		return false
	case k.isProcess():
		return a.Alive(k.process())
	}
	parent, ok := a.at(k.offset())
	if !ok || !parent.head.load().usable(k.gen()) {
		return false
	}
	ask := pending[Kind(parent.head.kind.Load()&kindMask)]
	return ask == nil || ask(a, a.memory(parent), a.stamp(p))
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
	a.end(p, kept)
	if h.is(flagParent) {
		kept = append(kept, a.children(a.ref(p))...)
	}
	if c, isSpan := a.spanClass(p.unit); isSpan {
		h.put(h.load().to(free, Nobody))
		a.cursors[c].Store(cursorAt(p.unit, c.index(p.offset-a.geo.unitOffset(p.unit))))
	} else {
		a.freeRun(p.unit)
	}
	for _, r := range kept {
		if q, ok := a.at(r.Off); ok {
			a.collect(q, r.Gen)
		}
	}
}

// children are the blocks that name the block r as their anchor.
func (a *Arena) children(r Ref) []Ref {
	var list []Ref
	a.blocks(func(p place) bool {
		if p.head.anchored() == anchorAt(r) {
			list = append(list, a.ref(p))
		}
		return true
	})
	return list
}
