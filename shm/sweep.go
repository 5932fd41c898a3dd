package shm

// A sweep goes through all memory once, after deaths: it clears the holds of the
// dead, finishes what any dead process had begun, and frees what nobody keeps
// alive any more. Several processes may sweep at the same time; each block has one
// owner, who got it by a CAS.
//
// What a living process lets go of meanwhile it frees itself. So it does not
// matter in which order a sweep finds things, nor that it sees no blocks made
// after it began.
type sweep struct {
	arena *Arena
	dead  slotSet
	later []Ref // blocks that parcels may carry and nobody else keeps
}

// sweep sweeps for the deceased, whose slots are this process's to vacate after it.
func (a *Arena) sweep(deceased []Incarnation) {
	w := sweep{arena: a}
	for _, i := range deceased {
		w.dead.add(i)
	}
	for u := range a.top() {
		h := &a.units[u]
		h.unholdAll(&w.dead) // in any phase: see header
		c, isSpan := a.spanClass(u)
		if isSpan {
			for i := range c.perSpan() {
				w.block(a.small(u, c, i))
			}
		} else if p := h.load().phase(); p != free && p != tail {
			w.block(a.run(u))
		}
	}
	w.collectLater()
}

// block brings one block to rest.
func (w *sweep) block(p place) {
	h := p.head
	h.unholdAll(&w.dead)
	s := h.load()
	if s.owned() && !w.arena.Alive(s.owner()) {
		s = w.arena.finish(p, s)
	}
	if s.phase() != live || h.held() {
		return
	}
	if h.is(flagCarried) {
		w.later = append(w.later, w.arena.refOf(p, s.gen()))
		return
	}
	w.arena.collect(p, s.gen())
}

// collectLater frees those of the blocks put off that no parcel lists. The lists
// are read once for all of them. A parcel that is freed after that does not
// matter: whoever frees it sees to what it lists, of which the dead hold nothing
// any more.
func (w *sweep) collectLater() {
	if len(w.later) == 0 {
		return
	}
	carried := make(map[Ref]bool)
	w.arena.carriers(func(p place) bool {
		if w.arena.carries(p) {
			for _, r := range w.arena.contents(p) {
				carried[r] = carried[r] || !w.arena.within(p, r)
			}
		}
		return true
	})
	for _, r := range w.later {
		if p, ok := w.arena.at(r.Off); ok && !carried[r] {
			w.arena.collect(p, r.Gen)
		}
	}
}

// finish completes what a dead process had begun with a block, and returns the
// block's state then. Of several who try, one gets it.
func (a *Arena) finish(p place, s state) state {
	h := p.head
	if s.phase() == freeing {
		h.cas(s, s.to(live, Nobody))
		return h.load()
	}
	if !h.cas(s, s.to(s.phase(), a.self)) {
		return h.load()
	}
	if s.phase() == claimed {
		a.abandon(p)
	} else {
		a.free(p)
	}
	return h.load()
}

// abandon frees a claimed block that never went live.
func (a *Arena) abandon(p place) {
	if _, isSpan := a.spanClass(p.unit); isSpan {
		p.head.put(p.head.load().to(free, Nobody))
		return
	}
	a.freeRun(p.unit)
}
