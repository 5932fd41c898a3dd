package ipc

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/shm"
)

// A lender is a process's view of the leases of a ring.
type lender struct {
	d     Domain
	words *lending
	// pass frees the cell of a dead reader, if it still has it. It reports false if
	// this process cannot tell yet.
	pass func(stamp uint64, owner shm.Incarnation) bool

	mu     sync.Mutex
	open   func(name uint64) ([]byte, error) // finds the table's memory
	opened atomic.Pointer[leaseTable]        // nil as long as this process has not seen it

	returned  func() // a message came back: wake a consumer
	wakeJoins func() // a message is done with: wake who waits for the last one
	edge      edge   // from Nack to whoever has the message next, and from Ack to Join
}

// table is the process's view of the leases, nil if there are none.
func (l *lender) table() (*leaseTable, error) {
	if t := l.opened.Load(); t != nil {
		return t, nil
	}
	if l.words == nil || l.words.table.Load() == 0 {
		return nil, nil
	}
	return l.openTable()
}

func (l *lender) openTable() (*leaseTable, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.opened.Load(); t != nil {
		return t, nil
	}
	mem, err := l.open(l.words.table.Load())
	if err != nil {
		return nil, err
	}
	t, err := openLeases(mem)
	if err != nil {
		return nil, err
	}
	l.opened.Store(t)
	return t, nil
}

// reserve takes a vacant slot for the calling process.
func (l *lender) reserve(t *leaseTable) (reserved, bool) {
	from := int(t.next.Load())
	for n := range t.count {
		i := (from + n) % t.count
		h := t.at(i)
		s := h.state.Load()
		if s&phaseMask == writing && ownerDead(l.d, ownerOf(s)) {
			h.state.CompareAndSwap(s, passed(s)) // gives up for the dead
			s = h.state.Load()
		}
		if s&phaseMask != vacant {
			continue
		}
		mine := s&lapMask | ownerField(l.d.Self()) | writing
		if h.state.CompareAndSwap(s, mine) {
			t.next.Store(uint32(i + 1))
			return reserved{l, t, i, mine}, true
		}
	}
	return reserved{}, false
}

// A reserved slot is the process's to lend a message on, or to give up.
type reserved struct {
	lender *lender
	table  *leaseTable
	slot   int
	state  uint64 // {g, writing, me}
}

// giveUp makes the slot vacant again.
func (r reserved) giveUp() {
	r.table.at(r.slot).state.Store(passed(r.state))
	r.table.frees.wake(1)
}

// lend moves a taken message to the slot. The cell is freed; also if its message
// makes no sense, and then so is the slot.
func (r reserved) lend(t Taken) (Lease, error) {
	msg, err := t.Bytes()
	if err == nil && len(msg) > r.table.inline {
		err = fmt.Errorf("ipc: leases for %d bytes of a ring's message of %d: %w", r.table.inline, len(msg), shm.ErrDamaged)
	}
	if err != nil {
		r.giveUp()
		t.Release()
		return Lease{}, err
	}
	h := r.table.at(r.slot)
	h.length.Store(uint32(len(msg)))
	h.attempt.Store(uint32(t.Attempt()))
	h.stamp.Store(t.stamp())
	h.due.Store(0)
	room := r.table.bytes(r.slot)
	copy(room, msg)
	held := r.state&lapMask | r.state&(ownerMask<<ownerShift) | reading
	h.state.Store(held) // from here on the lease counts, not the cell
	t.Release()
	return Lease{r.lender, h, room, held}, nil
}

// lent reports whether the process has a lease of the message of that position.
func (l *lender) lent(t *leaseTable, owner shm.Incarnation, stamp uint64) bool {
	for i := range t.count {
		h := t.at(i)
		s := h.state.Load()
		if s&phaseMask == reading && ownerOf(s) == owner && h.stamp.Load() == stamp {
			return true
		}
	}
	return false
}

// redeliver takes one message that was returned and is due, or whose holder is
// dead. If there is none, it says so to everybody, and when to look again.
func (l *lender) redeliver() (Lease, bool, error) {
	t, err := l.table()
	if t == nil || err != nil {
		return Lease{}, false, err
	}
	marks, due := l.words.marks.Load(), l.words.due.Load() // before looking
	now, first := monotonic(), int64(0)
	for i := range t.count {
		lease, ok, later := l.retake(t, i, now)
		if ok {
			return lease, true, nil
		}
		if later != 0 && (first == 0 || later < first) {
			first = later
		}
	}
	l.looked(marks, due, first)
	return Lease{}, false, nil
}

// looked notes that nothing was due, and when the first message will be. If
// another one's note came first, that is left to whoever looks next. If a message
// has come back meanwhile, the note may have been wrong by then.
func (l *lender) looked(marks uint64, due, first int64) {
	count := marks / markUnit
	if !l.words.due.CompareAndSwap(due, first) {
		return
	}
	if !l.words.marks.CompareAndSwap(marks, count*markUnit|count) && l.words.marks.Load()/markUnit != count {
		l.words.marks.Add(markUnit)
	}
}

// retake takes the message of slot i if it may; later is when it may, if the time
// will come.
func (l *lender) retake(t *leaseTable, i int, now int64) (lease Lease, ok bool, later int64) {
	h := t.at(i)
	s := h.state.Load()
	switch s & phaseMask {
	case writing:
		if ownerDead(l.d, ownerOf(s)) && h.state.CompareAndSwap(s, passed(s)) {
			t.frees.wake(1)
		}
		return Lease{}, false, 0
	case ready:
		if due := h.due.Load(); due > now {
			return Lease{}, false, due
		}
	case reading:
		owner := ownerOf(s)
		if !ownerDead(l.d, owner) {
			return Lease{}, false, 0
		}
		if !l.pass(h.stamp.Load(), owner) { // before the lease is another's
			return Lease{}, false, now
		}
	default:
		return Lease{}, false, 0
	}
	mine := s&lapMask | ownerField(l.d.Self()) | reading
	if !h.state.CompareAndSwap(s, mine) { // observes Nack, or takes from the dead
		return Lease{}, false, now // somebody else has it; it may come back
	}
	l.edge.acquire()
	h.attempt.Add(1)
	return Lease{l, h, t.bytes(i), mine}, true, 0
}

// wakeSlotless wakes up to n of those who wait for a vacant slot. They may need none.
func (l *lender) wakeSlotless(n int) {
	if t, err := l.table(); t != nil && err == nil {
		t.frees.wake(n)
	}
}

// outstanding reports whether a message is on lease to another process, or
// returned: so that it may still come.
func (l *lender) outstanding(t *leaseTable) bool {
	for i := range t.count {
		s := t.at(i).state.Load()
		if phase := s & phaseMask; phase == ready || phase == reading && ownerOf(s) != l.d.Self() {
			return true
		}
	}
	return false
}

// alarm calls ring when the first returned message is due. The caller stops it.
func (l *lender) alarm(ring func()) (stop func() bool) {
	if l.words == nil {
		return nil
	}
	due := l.words.due.Load()
	if l.words.called() { // nobody has looked since
		due = l.firstDue()
	}
	if due == 0 {
		return nil
	}
	return afterFunc(time.Duration(max(0, due-monotonic())), ring)
}

// firstDue is when the first returned message is due, or 0 if none is there.
func (l *lender) firstDue() (first int64) {
	t, err := l.table()
	if t == nil || err != nil {
		return 0
	}
	for i := range t.count {
		h := t.at(i)
		if h.state.Load()&phaseMask != ready {
			continue
		}
		if due := max(h.due.Load(), 1); first == 0 || due < first {
			first = due
		}
	}
	return first
}

// An alarmClock is the alarm of one waiting operation.
type alarmClock struct{ off func() bool }

func (a *alarmClock) set(l *lender, ring func()) {
	a.stop()
	a.off = l.alarm(ring)
}

func (a *alarmClock) stop() {
	if a.off != nil {
		a.off()
	}
}
