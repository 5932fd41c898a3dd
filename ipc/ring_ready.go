package ipc

import "github.com/mpgo/mp/internal/sys"

// A RingSource is a Ring as something to wait for: it is ready when Take would
// return at once, with a message, with ErrClosed, or because the ring is damaged.
type RingSource struct {
	ring  *Ring
	cells *cells
	vigil vigil
	clock alarmClock // for returned messages that are due later
}

// Source is for one Watch.
func (r *Ring) Source() *RingSource { return &RingSource{ring: r} }

// Enter keeps Detach waiting until Leave.
func (s *RingSource) Enter() {
	s.ring.get.enter()
	s.cells = s.ring.cells.Load()
	s.vigil.bell = s.cells.puts
}

// Ready looks as take does, and takes nothing.
func (s *RingSource) Ready() bool {
	r := s.ring
	if s.ring.get.closed.Load() || r.lender.waiting() {
		return true
	}
	return r.readable() != ErrEmpty
}

// back is how many messages have come back: returned, be they due or not, or of
// holders that died.
func (l *lender) back() (n int) {
	t, err := l.table()
	if t == nil || err != nil {
		return 0
	}
	for i := range t.count {
		switch state := t.at(i).state.Load(); state & phaseMask {
		case ready:
			n++
		case reading:
			if ownerDead(l.d, ownerOf(state)) {
				n++
			}
		}
	}
	return n
}

// waiting reports whether a message has come back and is due.
func (l *lender) waiting() bool {
	t, err := l.table()
	if t == nil || err != nil {
		return err != nil
	}
	now := monotonic()
	for i := range t.count {
		h := t.at(i)
		state := h.state.Load()
		switch state & phaseMask {
		case ready:
			if h.due.Load() <= now {
				return true
			}
		case reading:
			if ownerDead(l.d, ownerOf(state)) {
				return true
			}
		}
	}
	return false
}

// readable is the error that take would return, nil if it would find a message.
func (r *Ring) readable() error {
	if r.chain != nil {
		return r.chain.readable()
	}
	return r.cells.Load().readable()
}

func (c *chain) readable() error {
	c.retire()
	var last *segment
	for {
		s, err := c.readableAfter(last)
		if err != errPassed {
			return err
		}
		closed := s.closed.Load() // before looking for the next
		switch known, err := c.follow(s); {
		case err != nil:
			return err
		case !known && closed != 0:
			return ErrClosed
		case !known:
			return ErrEmpty
		}
		last = s
	}
}

func (c *chain) readableAfter(last *segment) (*segment, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var s *segment
	for _, s = range *c.list.Load() {
		if s.isAfter(last) {
			return s, s.readable()
		}
	}
	return s, errPassed
}

func (c *cells) readable() error {
	if epoch := c.epoch.Load(); epoch != c.scanned.Load() && c.orphaned() {
		return nil
	}
	drained := false // as in take
	for {
		pos := c.head.Load()
		if pos >= c.end {
			return errPassed
		}
		cell := c.at(pos)
		if cell == nil {
			return damagedPosition(pos)
		}
		free := vacantAt(pos, c.shift)
		state := cell.state.Load()
		if state == free|ready {
			return nil
		}
		switch err := c.cannotTake(pos, cell, state, free); {
		case err == errVacant && drained:
			return ErrClosed
		case err == errVacant && c.closed.Load() != 0:
			drained = true
		case err == errVacant:
			return ErrEmpty
		case err != nil:
			return err
		}
	}
}

// orphaned reports whether there is a message that a dead consumer took.
func (c *cells) orphaned() bool {
	for i := range c.touched() {
		if _, is := c.orphan(i); is {
			return true
		}
	}
	return false
}

// orphan is the state of a cell, and whether a dead consumer has it.
func (c *cells) orphan(index uint64) (state uint64, is bool) {
	state = c.cell(index).state.Load()
	return state, state&phaseMask == reading && ownerDead(c.ring.d, ownerOf(state))
}

// orphans is how many messages dead consumers took, and did not lease: those are
// counted there.
func (c *cells) orphans() (n int) {
	leases, err := c.ring.lender.table()
	if err != nil {
		return 0
	}
	for i := range c.touched() {
		cell := c.cell(i)
		state, is := c.orphan(i)
		if is && (leases == nil || !c.ring.lender.lent(leases, ownerOf(state), c.stamp(cell, state))) {
			n++
			c.eachOrphan(cell, state, func(_ *cellHeader, s uint64) {
				if s&phaseMask == ready {
					n++
				}
			})
		}
	}
	return n
}

// Announce announces a consumer; see Leave.
func (s *RingSource) Announce(words []sys.Futex) []sys.Futex {
	bell := s.ring.get.bell.Load()
	s.clock.set(s.ring.lender, s.ring.get.ring)
	return append(words,
		sys.Futex{Word: &s.cells.puts.rung, Val: s.vigil.announce()},
		sys.Futex{Word: &s.ring.get.bell, Val: bell})
}

// Leave passes the wake-up on: it was for one that takes.
func (s *RingSource) Leave() {
	s.vigil.end()
	s.clock.stop()
	s.cells.passOnAlarm()
	s.cells.puts.wake(1) // be it for a message, one that came back, or the end
	s.ring.get.leave()
}
