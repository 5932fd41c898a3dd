package shm

import (
	"github.com/mpgo/mp/internal/futex"
)

// Bury declares i dead, tells everybody who sleeps, and takes back what the dead
// held. The caller has the proof: its pidfd was readable, or wait returned it.
// Burying again, or at the same time elsewhere, does no harm.
//
// Killed before the declaration, somebody else will notice the death. Killed
// between the declaration and the announcement, or later, this process's own
// death makes the next undertaker find the slot dead and begin anew: every step
// may be done twice.
//
// The undertaker is the dead's parent, as long as that lives: so a parent that
// called Bury knows, when it returns, that the child's memory is free. Anybody
// else only declares and announces.
func (a *Arena) Bury(i Incarnation) {
	s := &a.slots[i.Slot()]
	for st := s.load(); st.gen() == i.Generation() && st.peopled(); st = s.load() {
		s.cas(st, makeStatus(dead, a.undertaker(s, st), st.gen()))
	}
	a.burial.Lock()
	defer a.burial.Unlock()
	mine := a.undertake()
	if len(mine) == 0 {
		return
	}
	a.sweep(mine)
	for _, i := range mine {
		a.slots[i.Slot()].cas(makeStatus(dead, a.self, i.Generation()), makeStatus(vacant, Nobody, i.Generation()))
	}
}

// undertaker is who shall bury the process in a slot: its parent, or else this one.
func (a *Arena) undertaker(s *slot, st slotStatus) Incarnation {
	parent := st.owner() // reserved: the parent's place
	if st.phase() == alive {
		parent = Incarnation(s.parent.Load())
	}
	if parent != Nobody && a.Alive(parent) {
		return parent
	}
	return a.self
}

// undertake announces every death in the table that is not announced yet, and
// collects those that are this process's to bury: its own and those whose
// undertaker has died. A place reserved by a parent that died goes the same way.
func (a *Arena) undertake() []Incarnation {
	var mine []Incarnation
	for at := range a.slots {
		s := &a.slots[at]
		st := s.load()
		if st.phase() == reserved && !a.Alive(st.owner()) {
			s.cas(st, makeStatus(dead, a.self, st.gen()))
			st = s.load()
		}
		if st.phase() != dead {
			continue
		}
		a.announce(s, st)
		if a.takeOver(s, st) {
			mine = append(mine, makeIncarnation(at, st.gen()))
		}
	}
	return mine
}

// announce raises the death epoch and wakes everyone who sleeps on it. Each
// death is announced at least once after it was declared.
func (a *Arena) announce(s *slot, st slotStatus) {
	if s.announced.Load() == st.gen() {
		return
	}
	a.head.epoch.Add(1)
	futex.WakeAll(&a.head.epoch)
	s.announced.Store(st.gen())
}

// takeOver reports whether the burial is this process's, perhaps from now on.
func (a *Arena) takeOver(s *slot, st slotStatus) bool {
	if st.owner() == a.self {
		return true
	}
	return !a.Alive(st.owner()) && s.cas(st, makeStatus(dead, a.self, st.gen()))
}

// sweep goes through all memory once: it clears the holds of the dead, finishes
// what any dead process had begun, and frees what nobody keeps alive any more.
func (a *Arena) sweep(deceased []Incarnation) {
	var dead slotSet
	for _, i := range deceased {
		dead.add(i)
	}
	a.sweepTails()
	top := int(a.head.highWater.Load())
	for u := range top {
		c, isSpan := a.spanClass(u)
		if !isSpan {
			if a.units[u].load().phase() != tail {
				a.sweepBlock(a.run(u), &dead)
			}
			continue
		}
		for i := range c.perSpan() {
			a.sweepBlock(a.small(u, c, i), &dead)
		}
	}
}

// sweepTails frees the tails of runs whose claimer died before they went live.
// They come before their heads: a tail is known by its head.
func (a *Arena) sweepTails() {
	for u := range int(a.head.highWater.Load()) {
		h := &a.units[u]
		s := h.load() // before the head: see below
		if s.phase() != tail || int(s.operand()) >= u {
			continue
		}
		head := a.units[s.operand()].load()
		if head.phase() != claimed || a.Alive(head.owner()) {
			continue
		}
		// The head is a dead process's claim now, after s was read. If s belonged to
		// an earlier run of that head, it was freed since, and the CAS fails.
		if mine := s.to(claimed, a.self); h.cas(s, mine) {
			_ = a.discard(u, 1)
			h.put(mine.to(free, Nobody))
		}
	}
}

// sweepBlock brings one block to rest.
func (a *Arena) sweepBlock(p place, dead *slotSet) {
	h := p.head
	h.unholdAll(dead)
	s := h.load()
	if s.owned() && !a.Alive(s.owner()) {
		s = a.finish(p, s)
	}
	if s.phase() == live {
		a.collect(p, s.gen())
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
	if _, isSpan := a.spanClass(p.unit); !isSpan {
		_ = a.discard(p.unit, 1)
	}
	s := p.head.load()
	p.head.put(s.to(free, Nobody))
}
