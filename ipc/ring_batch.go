package ipc

import "context"

// Batches. Each cell of a batch is claimed, committed, taken and released by steps
// of its own, exactly as single ones are, so a kill in the middle of a batch is a
// kill between messages. What a batch saves is moving the hints, the looks for who
// sleeps, wake-ups, and barriers: one of each for all its cells. So a hint may be as
// many positions behind as a batch is long, until somebody helps; and of the stores
// that publish, or release, its cells only the last one is a barrier: they take effect
// in their order, all of them before the look for who sleeps.

// ClaimBatch claims between 1 and len(into) cells for consecutive messages, as
// many as are free, and returns how many. It waits for the first as Claim does.
// Each must be given back: by CommitBatch, Commit or Abort.
func (r *Ring) ClaimBatch(ctx context.Context, into []Claimed) (int, error) {
	if len(into) == 0 {
		return 0, ctx.Err()
	}
	first, err := r.Claim(ctx)
	if err != nil {
		return 0, err
	}
	into[0] = first
	return 1 + first.cells.claimMore(into[1:]), nil
}

// TryClaimBatch is ClaimBatch, but returns ErrFull where that would wait.
func (r *Ring) TryClaimBatch(into []Claimed) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	first, err := r.TryClaim()
	if err != nil {
		return 0, err
	}
	into[0] = first
	return 1 + first.cells.claimMore(into[1:]), nil
}

// claimMore claims what is free from tail on, and moves tail once.
func (c *cells) claimMore(into []Claimed) int {
	begin := c.tail.Load()
	pos, n := begin, 0
	for n < len(into) && n < int(c.capacity) && pos < c.end {
		cell, free := c.at(pos), vacantAt(pos, c.shift)
		if cell == nil || cell.state.Load() != free || !cell.state.CompareAndSwap(free, free|c.me|writing) {
			break
		}
		into[n] = Claimed{c, cell, free | c.me | writing}
		pos, n = c.next(pos), n+1
	}
	if n == 0 {
		return 0
	}
	moveOn(c.tail, pos)
	if c.closed.Load() != 0 || c.astray(begin) { // as in claim
		for _, claimed := range into[:n] {
			claimed.Abort()
		}
		return 0
	}
	c.ring.freeEdge.acquire()
	return n
}

// CommitBatch publishes claimed cells, in order, with the lengths that Fill gave
// them.
func CommitBatch(claims []Claimed) {
	if len(claims) == 0 {
		return
	}
	last := len(claims) - 1
	for _, c := range claims[:last] {
		c.note(int(c.cell.length))
		c.cell.pass(c.state&lapMask | ready) // passes ownership of the cell to take
	}
	claims[last].publish(int(claims[last].cell.length))
	claims[0].cells.puts.wake(len(claims))
}

// Fill notes that the first n bytes are the message, for CommitBatch.
func (c Claimed) Fill(n int) { c.cell.length = uint32(n) }

// TakeBatch takes between 1 and len(into) messages, as many as there are, and
// returns how many. It waits for the first as Take does. Each must be given back:
// by ReleaseBatch, or Release.
func (r *Ring) TakeBatch(ctx context.Context, into []Taken) (int, error) {
	if len(into) == 0 {
		return 0, ctx.Err()
	}
	first, err := r.Take(ctx)
	if err != nil {
		return 0, err
	}
	into[0] = first
	return 1 + first.takeMore(into[1:]), nil
}

// TryTakeBatch is TakeBatch, but returns ErrEmpty where that would wait.
func (r *Ring) TryTakeBatch(into []Taken) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	first, err := r.TryTake()
	if err != nil {
		return 0, err
	}
	into[0] = first
	return 1 + first.takeMore(into[1:]), nil
}

// takeMore takes what is ready from head on, and moves head once. It does nothing
// after a message that has no cell, for nothing keeps the segment of a ring that
// grows then.
func (t Taken) takeMore(into []Taken) int {
	if t.lease != nil {
		return 0
	}
	c := t.cells
	pos, n := c.head.Load(), 0
	for n < len(into) && n < int(c.capacity) && pos < c.end {
		cell, free := c.at(pos), vacantAt(pos, c.shift)
		if cell == nil || cell.state.Load() != free|ready || !cell.state.CompareAndSwap(free|ready, free|c.me|reading) {
			break
		}
		into[n] = Taken{cells: c, cell: cell, state: free | c.me | reading}
		pos, n = c.next(pos), n+1
	}
	if n == 0 {
		return 0
	}
	moveOn(c.head, pos)
	c.ring.putEdge.acquire()
	return n
}

// pass stores a cell's state without a barrier. The load is the atomic operation that
// storeRelease must come after: it keeps the compiler from moving what fills the cell,
// or reads it, behind the store. The last cell's barrier is the one it comes before.
func (h *cellHeader) pass(state uint64) {
	_ = h.state.Load()
	storeRelease(&h.state, state)
}

// ReleaseBatch consumes taken messages, and frees their cells.
func ReleaseBatch(taken []Taken) {
	if len(taken) == 0 {
		return
	}
	last := len(taken) - 1
	for _, t := range taken[:last] {
		if t.lease != nil {
			t.Release()
			continue
		}
		t.cells.ring.freeEdge.release()
		t.cell.pass(passed(t.state)) // passes ownership of the cell to claim
	}
	if t := taken[last]; t.lease != nil {
		t.Release()
	} else {
		t.vacate()
	}
	c := taken[0].cells
	c.frees.wake(len(taken))
	if c.lending.joins.awaited() {
		c.ring.wakeJoins()
	}
}
