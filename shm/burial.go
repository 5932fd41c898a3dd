package shm

// Bury declares i dead, tells everybody who sleeps, and takes back what the dead
// held. The caller has the proof: its pidfd was readable, or wait returned it.
// Burying again, or at the same time elsewhere, does no harm.
//
// Killed before the declaration, somebody else will notice the death. Killed
// between the declaration and the announcement, or later, this process's own
// death makes the next undertaker find the slot dead and begin anew: every step
// may be done twice. Stopped there, the others find the slot dead when they look
// around, and announce it; only the memory has to wait.
//
// The undertaker is the dead's parent, as long as that lives: so a parent that
// called Bury knows, when it returns, that the child's memory is free. Anybody
// else only declares and announces.
func (a *Arena) Bury(i Incarnation) {
	a.declare(i)
	a.suspects.end(i)
	a.burial.Lock()
	defer a.burial.Unlock()
	mine := a.undertake()
	if len(mine) == 0 {
		return
	}
	a.sweep(mine)
	for _, i := range mine {
		a.vacate(i)
	}
}

// declare makes i dead, for all, and says so at once: a burial under way in this
// process may take its time.
func (a *Arena) declare(i Incarnation) {
	s := &a.slots[i.Slot()]
	for st := s.load(); st.gen() == i.Generation() && st.peopled(); st = s.load() {
		if gone := makeStatus(dead, a.undertaker(st), st.gen()); s.cas(st, gone) {
			a.announce(s, gone)
		}
	}
}

// undertaker is who shall bury the process in a slot: its parent, or else this one.
func (a *Arena) undertaker(st slotStatus) Incarnation {
	if parent := st.owner(); a.Alive(parent) {
		return parent
	}
	return a.self
}

// vacate ends a burial of this process's, and makes the slot one to reserve.
func (a *Arena) vacate(i Incarnation) {
	s := &a.slots[i.Slot()]
	step()
	s.life.Store(0) // nothing marks the death of the next one before it says so
	s.cas(makeStatus(dead, a.self, i.Generation()), makeStatus(vacant, Nobody, i.Generation()))
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
	step()
	a.head.epoch.Add(1)
	wakeAll(&a.head.epoch)
	step()
	s.announced.Store(st.gen())
}

// takeOver reports whether the burial is this process's, perhaps from now on.
func (a *Arena) takeOver(s *slot, st slotStatus) bool {
	if st.owner() == a.self {
		return true
	}
	return !a.Alive(st.owner()) && s.cas(st, makeStatus(dead, a.self, st.gen()))
}
