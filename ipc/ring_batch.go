package ipc

import "context"

// Batches. What a batch saves is moving the hints, the looks for who sleeps, wake-ups,
// and barriers: one of each for all its cells. So a hint may be as many positions behind
// as a batch is long, until somebody helps; and of the stores that publish, or release,
// its cells only the last one is a barrier: they take effect in their order, all of them
// before the look for who sleeps. Where a batch is long enough its cells are claimed and
// taken in groups, each by one step; see groupSize. A kill in the middle of a batch is
// a kill between messages, or between groups of them.

// ClaimBatch claims between 1 and len(into) cells for consecutive messages, as
// many as are free, and returns how many. It waits for the first as Claim does.
// They must be given back all at once, by CommitBatch.
func (r *Ring) ClaimBatch(ctx context.Context, into []Claimed) (int, error) {
	return r.claimBatch(ctx, into, r.Claim)
}

// TryClaimBatch is ClaimBatch, but returns ErrFull where that would wait.
func (r *Ring) TryClaimBatch(into []Claimed) (int, error) {
	return r.claimBatch(context.Background(), into, func(context.Context) (Claimed, error) { return r.TryClaim() })
}

// claimBatch claims the first cell as one of many if it can, or else by itself.
func (r *Ring) claimBatch(ctx context.Context, into []Claimed, claim func(context.Context) (Claimed, error)) (int, error) {
	if len(into) == 0 || ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if r.chain == nil {
		if n := r.cells.Load().claimMore(into); n > 0 {
			return n, nil
		}
	}
	first, err := claim(ctx)
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
	for n < len(into) && pos < c.end {
		claimed := c.claimFrom(pos, into[n:])
		if claimed == 0 {
			break
		}
		pos, n = c.after(pos, into[n].state), n+claimed
	}
	if n == 0 {
		return 0
	}
	moveOn(c.tail, pos)
	if c.closed.Load() != 0 || c.astray(begin) { // as in claim
		CommitBatch(into[:n], 0)
		return 0
	}
	c.ring.freeEdge.acquire()
	if c.frees.awaited() {
		c.passOnFree()
	}
	return n
}

// claimFrom claims a group at pos, or one cell, and returns how many cells that are.
func (c *cells) claimFrom(pos uint64, into []Claimed) int {
	free := vacantAt(pos, c.shift)
	mine := free | c.me | writing
	if len(into) >= groupSize {
		if first := c.group(pos, vacant); first != nil {
			if !first.state.CompareAndSwap(free, mine|grouped) { // observes release
				return 0
			}
			for i := range uint64(groupSize) {
				into[i] = Claimed{c, c.member(first, i), mine}
			}
			into[0].state |= grouped
			return groupSize
		}
	}
	cell := c.at(pos)
	if cell == nil || cell.state.Load() != free || !cell.state.CompareAndSwap(free, mine) {
		return 0
	}
	into[0] = Claimed{c, cell, mine}
	return 1
}

// FillFrom fills claimed cells with messages of n bytes each, which lie one behind the
// other in all, for CommitBatch. It panics if n is not within Inline, or all is too short.
func FillFrom(claims []Claimed, all []byte, n int) {
	if len(claims) == 0 {
		return
	}
	claims[0].cells.mustFit(n)
	all = all[:len(claims)*n]
	if n <= mostQuick {
		fillQuick(claims, all, n)
		return
	}
	for i, c := range claims {
		copy(c.cells.bytes(c.cell, uint32(n)), all[i*n:])
		c.cell.describe(uint32(n))
	}
}

// Fill notes that the first n bytes are the message, for CommitBatch. It panics if n is
// not within Inline.
func (c Claimed) Fill(n int) {
	c.cells.mustFit(n)
	c.cell.describe(uint32(n))
}

// CommitBatch gives claimed cells back: it publishes the first n, in order, which have
// been filled, and aborts the others. This passes ownership of the cells to take, and to
// claim.
func CommitBatch(claims []Claimed, n int) {
	if len(claims) == 0 {
		return
	}
	c := claims[0].cells
	c.ring.putEdge.release()
	for i := 0; i < len(claims); {
		end := i + cellsOf(claims[i].state)
		for j := end - 1; j >= i; j-- { // the first of a group comes last
			state := claims[j].state&lapMask | ready
			if j >= n {
				state = passed(state)
			}
			claims[j].cell.give(state, j == i && end == len(claims))
		}
		i = end
	}
	c.ended(n, len(claims)-n)
}

// ended wakes who waits for committed messages, and for what became of aborted cells.
func (c *cells) ended(committed, aborted int) {
	c.tellConsumers(committed + aborted)
	if aborted == 0 {
		return
	}
	c.ring.lender.wakeSlotless(1) // for whom it may be the end
	c.frees.wake(aborted)
	if c.lending.joins.awaited() {
		c.ring.wakeJoins()
	}
}

// TakeBatch takes between 1 and len(into) messages, as many as there are, and
// returns how many. It waits for the first as Take does. They must be given back all
// at once, by ReleaseBatch.
func (r *Ring) TakeBatch(ctx context.Context, into []Taken) (int, error) {
	return r.takeBatch(ctx, into, r.Take)
}

// TryTakeBatch is TakeBatch, but returns ErrEmpty where that would wait.
func (r *Ring) TryTakeBatch(into []Taken) (int, error) {
	return r.takeBatch(context.Background(), into, func(context.Context) (Taken, error) { return r.TryTake() })
}

// takeBatch takes the first message as one of many if it can, or else by itself.
func (r *Ring) takeBatch(ctx context.Context, into []Taken, take func(context.Context) (Taken, error)) (int, error) {
	if len(into) == 0 || ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if r.chain == nil {
		if c := r.cells.Load(); !c.calledBack(c.epoch.Load()) {
			if n := c.takeMore(into); n > 0 {
				return n, nil
			}
		}
	}
	first, err := take(ctx)
	if err != nil {
		return 0, err
	}
	into[0] = first
	if first.lease != nil {
		return 1, nil // it has no cell, and nothing keeps the segment of a ring that grows
	}
	return 1 + first.cells.takeMore(into[1:]), nil
}

// takeMore takes what is ready from head on, and moves head once.
func (c *cells) takeMore(into []Taken) int {
	pos, n := c.head.Load(), 0
	for n < len(into) && pos < c.end {
		taken := c.takeFrom(pos, into[n:])
		if taken == 0 {
			break
		}
		pos, n = c.after(pos, into[n].state), n+taken
	}
	if n == 0 {
		return 0
	}
	moveOn(c.head, pos)
	c.ring.putEdge.acquire()
	c.passOn()
	return n
}

// takeFrom takes a group at pos, or one message, and returns how many that are.
func (c *cells) takeFrom(pos uint64, into []Taken) int {
	free := vacantAt(pos, c.shift)
	mine := free | c.me | reading
	if len(into) >= groupSize {
		if first := c.group(pos, ready); first != nil {
			if !first.state.CompareAndSwap(free|ready, mine|grouped) { // observes publish
				return 0
			}
			for i := range uint64(groupSize) {
				into[i] = Taken{cells: c, cell: c.member(first, i), state: mine}
			}
			into[0].state |= grouped
			return groupSize
		}
	}
	cell := c.at(pos)
	if cell == nil || cell.state.Load() != free|ready || !cell.state.CompareAndSwap(free|ready, mine) {
		return 0
	}
	into[0] = Taken{cells: c, cell: cell, state: mine}
	return 1
}

// ReleaseBatch consumes taken messages, and frees their cells.
func ReleaseBatch(taken []Taken) {
	for i := 0; i < len(taken); {
		if taken[i].lease != nil {
			taken[i].Release()
			i++
			continue
		}
		end := i + cellsOf(taken[i].state)
		for j := end - 1; j >= i; j-- { // the first of a group comes last
			taken[j].vacate(j == i && end == len(taken))
		}
		i = end
	}
	if len(taken) == 0 {
		return
	}
	c := taken[0].cells
	c.tellProducers(len(taken))
	if c.lending.joins.awaited() {
		c.ring.wakeJoins()
	}
}

// give stores a cell's state, with a barrier if it is the last of many. Without, the
// load is the atomic operation that storeRelease must come after: it keeps the compiler
// from moving what fills the cell, or reads it, behind the store. The barrier that it comes
// before is that of the last cell, or fence.
func (h *cellHeader) give(state uint64, last bool) {
	if last {
		h.state.Store(state)
		return
	}
	_ = h.state.Load()
	storeRelease(&h.state, state)
}
