package ipc

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// Segments are how a ring that grows gets and gives back the memory of its
// segments. Each process has its own way to a segment, by name.
type Segments interface {
	// New makes zeroed memory for n bytes that lives as long as the ring's chain has
	// it (see InChain), and gives it a name, which is not 0. This process has it open.
	New(n int) (name uint64, mem []byte, err error)
	// Open finds the memory of a name that another process, or this one, has given.
	Open(name uint64) (mem []byte, err error)
	// Close ends what New or Open began. The last to do so frees what the chain does
	// not have any more.
	Close(name uint64)
}

// A chain is what makes a ring grow: instead of going round, each lap of the ring
// lies in memory of its own, a segment; segment 0 is the ring's own cells. A
// segment is laid out as a ring, of which only the cells, tail, head, scanned and
// next are in use; for the rest there is the first one. So states, stamps, leases
// and all that is said of them are as in any ring, with the segment's number for
// the lap.
//
// A producer that finds tail at the end of a segment goes on to the next, and makes
// it if there is none. A consumer that finds head there does so, too, if there is
// one. The first segment that has not been left by everybody is named in first:
//
//	grow    next of the last segment: 0 → name          CAS; or another was faster
//	retire  first: name of a segment → that of its next  CAS, when each of its cells
//	                                                     is passed
//
// Killed before growing, the new segment is in no chain, and freed with all that
// the dead held; after it, the segment is there. Killed before retiring, somebody
// else retires; after it, the segment is in no chain, and the last who has it open
// frees it.
//
// A closed ring has no segment after the last: a producer looks at closed after
// each claim, as always.
type chain struct {
	ring     *Ring
	segments Segments

	// mu is held for reading during each attempt, and for writing to let go of a
	// segment: so no goroutine is in the middle of an attempt on memory that goes
	// away. A claimed or taken cell keeps its segment in the chain.
	mu   sync.RWMutex
	main *chainLink                 // of the ring's own cells
	list atomic.Pointer[[]*segment] // those this process knows, oldest first; copied on write
	grow sync.Mutex                 // one goroutine of the process at a time changes list

	// Death epochs up to which this process has looked at the leases, and has made
	// all segments known.
	seen, caught atomic.Uint32
}

// A chainLink is what a segment's memory says of the chain.
type chainLink struct {
	next   shared.Uint64 // name of the following segment, 0 if there is none yet
	first  shared.Uint64 // in segment 0: name of the first segment in the chain
	number uint32        // of the segment
	grows  uint32        // in segment 0: 1
}

// A segment is a view of one segment.
type segment struct {
	*cells
	link   *chainLink
	name   uint64 // 0 for the first one
	number uint32 // of those before it; goes round
	busy   census // where a message was found the last time
}

var errPassed = errors.New("beyond the last position")

// Segments grow with what was put, up to this many bytes.
const maxSegment = 4 << 20

// InitGrowingRing is InitRing for a ring that grows: capacity is that of its first
// segment, and must be a power of two.
func InitGrowingRing(mem []byte, capacity, inline int) error {
	if capacity&(capacity-1) != 0 {
		return fmt.Errorf("ipc: a segment of %d cells: it must be a power of two", capacity)
	}
	return initGrowingRing(mem, capacity, inline, 0)
}

// initGrowingRing begins with a later segment, for tests.
func initGrowingRing(mem []byte, capacity, inline int, number uint32) error {
	if err := initSegment(mem, capacity, inline, number); err != nil {
		return err
	}
	shm.At[ringGeometry](mem, 0).chained.grows = 1
	return nil
}

// initSegment makes an empty segment of that number, whose positions are those of the lap.
func initSegment(mem []byte, capacity, inline int, number uint32) error {
	if err := initRing(mem, capacity, inline, uint64(number)); err != nil {
		return err
	}
	shm.At[ringGeometry](mem, 0).chained.number = number
	return nil
}

// OpenGrowingRing is OpenRing for a ring that grows. Its Claim never waits; the
// error may be one of making a segment.
func OpenGrowingRing(d Domain, mem []byte, segments Segments) (*Ring, error) {
	r, err := OpenRing(d, mem)
	if err != nil {
		return nil, err
	}
	c := &chain{ring: r, segments: segments}
	c.main = &shm.At[ringGeometry](mem, 0).chained
	c.seen.Store(d.Epoch().Load() - 1)
	c.caught.Store(d.Epoch().Load() - 1)
	first, err := c.first()
	if err != nil {
		return nil, err
	}
	c.list.Store(&[]*segment{first})
	r.chain, r.own.quick = c, -1
	r.lender.pass = c.passDead
	return r, nil
}

// first is the first segment of the chain.
func (c *chain) first() (*segment, error) {
	cells := c.ring.cells.Load()
	name := c.main.first.Load()
	if name == 0 {
		return newSegment(cells, c.main, 0), nil
	}
	return c.openFrom(name)
}

// Grows reports whether the ring in mem is one that grows.
func Grows(mem []byte) bool {
	return len(mem) >= ringHeader && shm.At[ringGeometry](mem, 0).chained.grows == 1
}

// claim makes one attempt at the last segment, and at new ones.
func (c *chain) claim() (Claimed, error) {
	for {
		claimed, last, err := c.claimLast()
		c.retire() // or a process that only puts would keep all segments
		if err != errPassed {
			return claimed, err
		}
		if err := c.extend(last); err != nil {
			return Claimed{}, err
		}
	}
}

func (c *chain) claimLast() (Claimed, *segment, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := *c.list.Load()
	last := list[len(list)-1]
	claimed, err := last.claim()
	return claimed, last, err
}

// extend makes the segment after last known to this process, and makes it if need
// be.
func (c *chain) extend(last *segment) error {
	known, err := c.follow(last)
	if known || err != nil {
		return err
	}
	cells := min(2*last.capacity, max(maxSegment/last.layout.each(), 1))
	cells = 1 << (bits.Len64(cells) - 1)
	size, err := RingSize(int(cells), int(last.inline))
	if err != nil {
		return err
	}
	name, mem, err := c.segments.New(size)
	if err != nil {
		return fmt.Errorf("the queue cannot grow: %w", err)
	}
	defer c.segments.Close(name)
	if err := initSegment(mem, int(cells), int(last.inline), last.number+1); err != nil {
		return err
	}
	last.link.next.CompareAndSwap(0, name) // publishes the segment; or another was faster
	_, err = c.follow(last)
	return err
}

// follow makes the segment after last known, if there is one.
func (c *chain) follow(last *segment) (known bool, err error) {
	c.grow.Lock()
	defer c.grow.Unlock()
	list := *c.list.Load()
	if list[len(list)-1] != last {
		return true, nil
	}
	name := last.link.next.Load()
	if name == 0 {
		return false, nil
	}
	s, err := c.openFrom(name)
	if err != nil {
		return false, err
	}
	if s.name == name && s.number != last.number+1 || !s.isAfter(last) { // a damaged chain may go round
		c.segments.Close(s.name)
		return false, fmt.Errorf("ipc: segment %d of the queue after segment %d: %w", s.number, last.number, shm.ErrDamaged)
	}
	longer := append(list[:len(list):len(list)], s)
	c.list.Store(&longer)
	return true, nil
}

// openFrom opens a segment, or if it has been retired, the first one in the chain.
func (c *chain) openFrom(name uint64) (*segment, error) {
	for {
		s, err := c.open(name)
		first := c.main.first.Load()
		if err == nil || first == name || first == 0 {
			return s, err
		}
		name = first
	}
}

// open is this process's view of a segment.
func (c *chain) open(name uint64) (*segment, error) {
	mem, err := c.segments.Open(name)
	if err != nil {
		return nil, fmt.Errorf("a segment of the queue: %w", err)
	}
	s, err := c.view(name, mem)
	if err != nil {
		c.segments.Close(name)
		return nil, err
	}
	return s, nil
}

func (c *chain) view(name uint64, mem []byte) (*segment, error) {
	own, err := openCells(mem)
	if err != nil {
		return nil, err
	}
	main := c.ring.cells.Load()
	if main == detached {
		return nil, ErrClosed
	}
	link := &shm.At[ringGeometry](mem, 0).chained
	if own.capacity&(own.capacity-1) != 0 || own.inline != main.inline {
		return nil, fmt.Errorf("ipc: a segment of %d cells of %d bytes: %w", own.capacity, own.inline, shm.ErrDamaged)
	}
	own.ring, own.me, own.epoch = c.ring, main.me, main.epoch
	own.closed, own.puts, own.frees, own.lending, own.notes = main.closed, main.puts, main.frees, main.lending, main.notes
	return newSegment(own, link, name), nil
}

// newSegment gives cells their end.
func newSegment(c *cells, link *chainLink, name uint64) *segment {
	number := link.number // loaded once
	c.end = (uint64(number) + 1) << c.shift
	return &segment{cells: c, link: link, name: name, number: number}
}

// isAfter reports whether s comes after t, or t is nil. Numbers go round.
func (s *segment) isAfter(t *segment) bool { return t == nil || int32(s.number-t.number) > 0 }

// lap is the segment's number, as its cells and the stamps of its positions have it:
// that goes round earlier.
func (s *segment) lap() uint64 { return uint64(s.number) << lapShift >> lapShift }

// take makes one attempt at each segment, until one has not been passed.
func (c *chain) take() (Taken, error) {
	c.catchUpIfCalled()
	var last *segment
	for {
		t, s, err := c.takeAfter(last)
		if err != errPassed {
			c.retire()
			return t, err
		}
		closed := s.closed.Load() // before looking for the next
		switch known, err := c.follow(s); {
		case err != nil:
			return Taken{}, err
		case !known && closed != 0:
			return Taken{}, s.over()
		case !known:
			return Taken{}, ErrEmpty
		}
		last = s
	}
}

// takeAfter makes one attempt at the first segment after another one, or of all; if there
// is none, that is errPassed of the last one.
func (c *chain) takeAfter(last *segment) (Taken, *segment, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var s *segment
	for _, s = range *c.list.Load() {
		if s.isAfter(last) {
			t, err := s.take()
			return t, s, err
		}
	}
	return Taken{}, s, errPassed
}

// retire takes segments out of the chain that everybody has left, and lets go of
// those that are in it no more.
func (c *chain) retire() {
	if list := *c.list.Load(); len(list) == 1 || !list[0].isPassed() {
		return
	}
	c.grow.Lock()
	defer c.grow.Unlock()
	list := *c.list.Load()
	keep := 0
	for keep < len(list)-1 && c.left(list[keep]) {
		c.main.first.CompareAndSwap(list[keep].name, list[keep+1].name)
		keep++
	}
	if keep == 0 {
		return
	}
	rest := append([]*segment{}, list[keep:]...)
	c.mu.Lock()
	c.list.Store(&rest)
	c.mu.Unlock()
	for _, s := range list[:keep] {
		if s.name != 0 {
			c.segments.Close(s.name)
		}
	}
}

// isPassed reports whether all positions were taken.
func (s *segment) isPassed() bool { return s.head.Load() >= s.end }

// left reports whether the segment has no message, and never will.
func (c *chain) left(s *segment) bool {
	return s.isPassed() && s.link.next.Load() != 0 && !s.busy.busyCell(s.cells)
}

// passDead is Ring.passDead for the segment that has the position. One that is not in
// the list because it was retired has passed it. One that is not in it because it is
// newer than those that this process knows is not passed by, or the message would be
// both on lease and in its cell: it must be made known first, see catchUpIfCalled. Laps go
// round: a lease that was held for 2²⁹ segments seems to be from a newer one.
func (c *chain) passDead(stamp uint64, owner shm.Incarnation) bool {
	list := *c.list.Load() // in an attempt, so none goes away
	for _, s := range list {
		if s.lap() == stamp>>32 {
			s.passDead(stamp, owner)
		}
	}
	newest := list[len(list)-1].lap()
	return int32((newest-stamp>>32)<<lapShift>>32) >= 0 // laps go round
}

// catchUpIfCalled makes all segments known before somebody looks for messages that
// come back. It comes before the attempt, which holds mu.
func (c *chain) catchUpIfCalled() {
	main := c.ring.cells.Load()
	if epoch := main.epoch.Load(); epoch != c.caught.Load() || main.lending.called() {
		c.catchUp()
		c.caught.Store(epoch)
	}
}

// busy looks for a message in the cells of all segments.
func (c *chain) busy() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, s := range *c.list.Load() {
		var look census
		if look.busyCell(s.cells) {
			return true
		}
	}
	return false
}

// readElsewhere is that of all segments.
func (c *chain) readElsewhere() bool {
	c.catchUp()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.ContainsFunc(*c.list.Load(), func(s *segment) bool { return s.readElsewhere() })
}

// claimed tells whether something was claimed between two calls.
func (c *chain) claimed() claimMark {
	c.catchUp()
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := *c.list.Load()
	last := list[len(list)-1].cells
	return claimMark{last, last.tail.Load()}
}

// redeliver is the lender's.
func (c *chain) redeliver() (Lease, bool, error) {
	c.catchUpIfCalled()
	epoch := c.ring.d.Epoch().Load()
	c.mu.RLock()
	defer c.mu.RUnlock()
	l, ok, err := c.ring.lender.redeliver()
	if !ok && err == nil {
		c.seen.Store(epoch)
	}
	return l, ok, err
}

// length is how many messages the segments have.
func (c *chain) length() int {
	c.catchUp()
	c.mu.RLock()
	defer c.mu.RUnlock()
	n := 0
	for _, s := range *c.list.Load() {
		n += s.length()
	}
	return n
}

// catchUp opens all segments that there are by now, and lets go of those that all have
// left: a process that only looks would keep them.
func (c *chain) catchUp() {
	defer c.retire()
	for {
		list := *c.list.Load()
		if known, err := c.follow(list[len(list)-1]); !known || err != nil {
			return
		}
	}
}

// close lets go of all segments.
func (c *chain) close() {
	c.grow.Lock()
	defer c.grow.Unlock()
	c.mu.Lock()
	list := *c.list.Load()
	c.list.Store(&[]*segment{{cells: detached, link: new(chainLink)}})
	c.mu.Unlock()
	for _, s := range list {
		if s.name != 0 {
			c.segments.Close(s.name)
		}
	}
}

// InChain reports whether a segment with such a name belongs to the ring in mem.
// peek finds a segment's memory by name, or nil. No memory is trusted.
func InChain(mem []byte, peek func(name uint64) []byte, named func(name uint64) bool) (found bool) {
	eachInChain(mem, peek, func(name uint64, _ []byte) bool {
		found = found || named(name)
		return !found
	})
	return found
}

// eachInChain visits the segments that a ring's memory leads to, from the first in
// the chain on, but for the ring's own cells, until visit says false. If the first
// one is retired meanwhile, what it leads to may be anything: then it begins anew.
func eachInChain(mem []byte, peek func(name uint64) []byte, visit func(name uint64, mem []byte) bool) {
	if !Grows(mem) {
		return
	}
	main := &shm.At[ringGeometry](mem, 0).chained
	for {
		first := main.first.Load()
		name := first
		if name == 0 {
			name = main.next.Load()
		}
		for range math.MaxUint16 { // more than there can be; damaged ones may go round
			segment := peek(name)
			if name == 0 || len(segment) < ringHeader {
				break
			}
			if !visit(name, segment) {
				return
			}
			name = shm.At[ringGeometry](segment, 0).chained.next.Load()
		}
		if main.first.Load() == first {
			return
		}
	}
}
