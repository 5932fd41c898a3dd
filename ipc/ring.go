package ipc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

var (
	// ErrFull: no free cell for another message.
	ErrFull = errors.New("no room for another message now")

	// ErrEmpty: no message that could be taken now.
	ErrEmpty = errors.New("no message there now")
)

// A Ring is a bounded queue of messages for any number of putting and getting
// processes, and of goroutines in each. It must not be copied. Any of the
// processes may be killed at any instruction: no committed message is lost, none
// is given to two live consumers, and nobody else is held up.
//
// A message is a string of bytes. It is put and got as a whole (Put, Get), or
// filled and read where it lies (Claim and Commit, Take and Release).
//
// A Put, or Commit, synchronizes before the Get, or Take, of its message, and a
// Release before the Claim of the freed cell.
//
// It is what Python's multiprocessing.Queue is made for, but without the feeder
// thread: a Put that returned is committed, whatever happens to its process.
//
// # Delivery
//
// A Put that returned nil is committed: only the death of its consumer can lose
// the message. A consumer that dies before Release gives it back, and it is taken
// once more; a consumer that dies after Release has had it.
//
// Messages come in the order in which their cells were claimed. A claimed cell
// holds up the later ones until it is committed or aborted, or its process is
// dead: a stopped producer is waited for. A taken cell holds up nobody until the
// ring has gone round once: then its place is missed.
//
// # Layout
//
// Words are little-endian; what one side writes is 128 bytes away from what the
// other writes (CPUs prefetch lines in pairs).
//
//	  0  magic     4  who made it, and the version of this layout; stored last
//	  4  capacity  4  cells, 1…MaxRingCapacity
//	  8  room      4  bytes from message to message, a multiple of 64
//	 12  inline    4  most bytes of a message
//	 16  notes    16  two words for whoever uses the ring; see Note
//	 32  chained  24  what makes a ring grow; see chain
//	128  closed    4  written once; read by producers, and by consumers when empty
//	136  puts     16  doorbell of committed messages: consumers sleep, producers wake
//	256  scanned   4  death epoch up to which the dead's messages were taken over
//	264  frees    16  doorbell of freed cells: producers sleep, consumers wake
//	280  lending  40  messages that are out on lease; see Lease
//	384  tail      8  hint for producers
//	512  head      8  hint for consumers
//	640  cells        and their messages; see cellLayout
//
// The geometry is read once, checked against the length of the memory, and never
// read again. All other words may change to anything at any time without harm
// to this process.
//
// # Positions and cells
//
// Messages lie at positions: the first lap through the cells is lap 0, and so on.
// A position is {lap, index}; a cell's state is {lap, phase, owner} in one word,
// and its changes are what the protocol consists of:
//
//	{l, vacant}          position {l, i} has not been claimed yet
//	{l, writing, P}      P has claimed it, and alone writes to the cell
//	{l, ready}           the message is committed; nobody writes
//	{l, reading, C}      C has taken it, and alone may read
//	{l+1, vacant}        the position is passed: its message is consumed, or there
//	                     never was one
//
// A batch may claim, and take, eight positions by one step; see groupSize.
//
//	Claim    {l, vacant}     → {l, writing, me}   claims        CAS
//	Commit   {l, writing, me}→ {l, ready}         publishes     store, observed by Take
//	Abort    {l, writing, me}→ {l+1, vacant}      gives up      store
//	Take     {l, ready}      → {l, reading, me}   claims        CAS
//	Release  {l, reading, me}→ {l+1, vacant}      releases      store, observed by Claim
//	abort of the dead  {l, writing, dead} → {l+1, vacant}       CAS, by anybody
//	inheritance        {l, reading, dead} → {l, reading, me}    CAS, by a consumer
//
// tail and head are only hints: tail is at most the first position not yet
// claimed, and behind it by no more than those who are just claiming have claimed:
// one position, or a batch; head the same of the first not yet taken, and behind it
// by what was claimed and given up since somebody looked: perhaps laps. Who finds a
// hint behind moves it on by one, or head by laps, with a CAS that expects what it
// read.
//
// # Invariants
//
//  1. A cell {l, writing or reading, P} is changed by P alone while P lives.
//  2. The state of a cell only grows, in the order of the list above; so a CAS
//     that succeeds saw the latest state.
//  3. Positions are claimed in order: {l, i} is claimed only by one that read it
//     in tail, or that has just claimed the one before it; and tail moves past a
//     position only after it was claimed. So a vacant position that is claimed by
//     nobody has nothing but such positions behind it, and a consumer that finds
//     head's position vacant may call the ring empty: head is never at a member of a
//     group that has not been given back.
//  4. A cell's next lap begins only after {l+1, vacant}; so whoever finds a state
//     beyond its position's knows that the position is passed.
//  5. A ready cell has tail and, once taken, head beyond it or about to be moved
//     by whoever comes next.
//
// # A kill after each step
//
//	Claim: CAS            tail is moved by the next producer; when a consumer gets
//	                      there, it aborts the cell: nothing was promised
//	Claim: tail moved     as above
//	while filling         as above; the half-filled cell is read by nobody
//	Commit: store         the message is delivered; a missing wake-up is made up
//	                      for by the death epoch
//	Take: CAS             head is moved by the next consumer; the first consumer that
//	                      sees the new death epoch takes the message over
//	Take: head moved      the message is taken over
//	while reading         the message is taken over, and so delivered again
//	Release: store        it was delivered; the epoch makes up for a wake-up
//	abort of the dead     the cell is vacant; the epoch makes up for a wake-up
//	inheritance           the heir is a dead owner like the first
//	end of a scan         the next consumer scans again
//	Close: store          the ring is closed; the epoch makes up for wake-ups
//
// Nothing is aborted or inherited from a process that is not proven dead, so the
// dead one cannot come back and write into a cell that was given on.
//
// # Who looks for the messages of the dead
//
// scanned is the death epoch at which somebody last walked all cells and found no
// message of a dead consumer. A consumer that sees another epoch walks first and
// takes what it finds; the one that finds nothing stores the epoch it had read
// before it began. No later death can add to the messages of those already dead,
// so nobody walks twice for one death but those who walk at the same time.
//
// # Closing
//
// A producer looks at closed after its claim, and aborts the claim if it is set.
// A consumer calls the ring drained if it saw closed set and then a vacant
// position at head. A claim before that look at head is waited for; one after it
// comes after closed was stored, and so is aborted: no message is committed that
// no consumer waits for. A producer that was killed in between is aborted as
// always and holds up nobody.
//
// The wake-up for the last message goes to one consumer, which may not come again.
// So whoever takes or aborts one in a closed ring wakes another, and the first that
// finds it drained wakes all who are left.
//
// # Quick ways
//
// PutQuick and GetQuick, and PutManyQuick and GetManyQuick for batches, are Put and Get of
// short messages where nothing is out of the ordinary: the same steps in one piece, in the
// same order, but that wake-ups are passed on last. Whatever else there may be to do they leave to the others; what
// they took, but is not as expected, they hand over. A message of 64 bytes took 43 ns to put
// and 57 to get by the others, whose claims and messages are handed from call to call, and
// takes 17 and 14 by these, in one process. A producer in flow has cells fetched before it comes
// to them; see lead. They look at their context only now and then; see glance.
//
// # Laps go round
//
// A cell's lap has 30 bits and goes round, in a minute if a ring of capacity 1
// is very busy. Laps are compared by their difference, so that does no harm,
// except to a process that is stopped between its Load of a state and its CAS for
// exactly 2³⁰ laps: it then claims, or takes, a position it did not aim at. The
// cell is rightly its own, no message is lost or doubled, but one comes out of
// order, and one put ahead of tail is found only when tail gets there; so a
// producer whose tail is far from where it was aborts the claim and begins again.
// For a group of a batch there is no such remedy: the members of one that is claimed
// after exactly 2³⁰ laps, which are 2³³ messages at least, need not be vacant. Dead
// owners do not run, and an owner's generation keeps the CAS on their cells from
// meeting another's. The hints have 64 bits and do not go round.
//
// # What was tried
//
// A ring with tickets, or with a claim in tail and the owner elsewhere, wedges if
// its claimer is killed before the owner is named. In a prototype, publishing with
// a plain store, prefetching the next cell, and a CAS without a Load before it
// made no difference beyond the noise; to stay away from a cell that the other
// side is about to write did, see lull, and so did fetching cells that are several
// away, see lead. To publish single messages by a plain store, and leave it to who goes to sleep
// to make a barrier on all CPUs, as streams do, went from 24 to 28 M/s between two processes;
// but then a Put may take effect after what its process loads next, such as a flag by which a
// consumer says that it is about to sleep, and programs rely on that it does not. To move the
// hint last, so that its CAS is the barrier and the store before it a plain one, saved a locked
// operation and gained 2 %; but tail has to be beyond every committed message, for who looks
// for the messages of the dead (touched), and for who joins (claimed).
type Ring struct {
	cells atomic.Pointer[cells] // or detached
	own   *cells                // whether detached or not, for what Detach waits for
	chain *chain                // of a ring that grows, or nil
	d     Domain

	put, get         *gate
	lease, join      *gate
	use              *gate // nobody waits there: see Enter
	lender           *lender
	putLull, getLull lull
	putLead          lead
	putGlance        glance
	getGlance        glance
	plain            int // length of messages, for PutQuick and GetQuick
	otherwise        Plainly
	fenced           atomic.Uint64 // how often fence was called
	putEdge          edge          // from Commit to Take
	freeEdge         edge          // from Release to Claim
}

// MaxRingCapacity is the largest number of cells of a Ring.
const MaxRingCapacity = 1 << 30

// MaxRingInline is the largest inline size of a Ring.
const MaxRingInline = 1 << 30

const (
	ringMagic  = 0x3352_706d // "mpR3"
	ringHeader = 640
	cellAlign  = 64
)

// A ringGeometry is the first line of a Ring; written by InitRing only.
type ringGeometry struct {
	magic    shared.Uint32
	capacity uint32
	room     uint32
	inline   uint32
	notes    [2]shared.Uint64
	chained  chainLink
}

// A putWatch is what producers look at, and nobody writes often.
type putWatch struct {
	closed shared.Uint32
	_      uint32
	puts   doorbell
}

// A getWatch is what consumers look at, and nobody writes often.
type getWatch struct {
	scanned shared.Uint32
	_       uint32
	frees   doorbell
	lending lending
}

// ringWords are the memory of a ring before its cells.
type ringWords struct {
	geometry ringGeometry
	_        [72]byte
	put      putWatch
	_        [104]byte
	get      getWatch
	_        [64]byte
	tail     shared.Uint64
	_        [120]byte
	head     shared.Uint64
	_        [120]byte
}

// cells are the memory of a Ring as one view sees it: addresses, and the geometry
// that was checked. They never change.
type cells struct {
	ring  *Ring
	me    uint64 // the owner field of this process's states
	epoch *shared.Uint32

	tail, head *shared.Uint64
	notes      *[2]shared.Uint64
	closed     *shared.Uint32
	scanned    *shared.Uint32
	puts       *doorbell
	frees      *doorbell
	lending    *lending

	first    cellBase
	layout   cellLayout
	capacity uint64
	shift    uint   // position = lap<<shift | index
	mask     uint64 // selects the index
	end      uint64 // the first position that these cells do not have
	inline   uint32

	// For PutQuick and its like.
	words  *ringWords // all words of this memory, one load away
	leads  bool       // there is room for leads
	quick  int        // length of the longest message, -1 if there can be none
	simple uint64     // all indexes below are of positions to which the next is one more
	lap    uint64     // what a position makes for the state's lap, where its index is 0
}

// RingSize is the memory of a Ring with so many cells, for messages of at most
// inline bytes each.
func RingSize(capacity, inline int) (int, error) {
	switch {
	case capacity < 1:
		return 0, fmt.Errorf("ipc: a ring of %d cells: the capacity must be at least 1", capacity)
	case inline < 0:
		return 0, fmt.Errorf("ipc: a ring for messages of %d bytes", inline)
	case capacity > MaxRingCapacity || inline > MaxRingInline:
		return 0, fmt.Errorf("ipc: a ring of %d cells of %d bytes: %w", capacity, inline, shm.ErrTooLarge)
	}
	size := ringHeader + layoutFor(uint64(capacity), uint64(inline)).size(uint64(capacity))
	if uint64(int(size)) != size {
		return 0, fmt.Errorf("ipc: a ring of %d bytes: %w", size, shm.ErrTooLarge)
	}
	return int(size), nil
}

// InitRing makes an empty ring in mem, which must begin at a multiple of 64 and
// have at least RingSize bytes. Nobody may use the ring before it returned.
func InitRing(mem []byte, capacity, inline int) error { return initRing(mem, capacity, inline, 0) }

// initRing begins at a later lap, for tests.
func initRing(mem []byte, capacity, inline int, lap uint64) error {
	size, err := RingSize(capacity, inline)
	if err != nil {
		return err
	}
	if len(mem) < size {
		return fmt.Errorf("ipc: a ring of %d bytes in %d bytes of memory", size, len(mem))
	}
	clear(mem[:ringHeader])
	g := shm.At[ringGeometry](mem, 0)
	g.capacity, g.inline = uint32(capacity), uint32(inline)
	g.room = uint32(layoutFor(uint64(capacity), uint64(inline)).room)
	c := newCells(mem, g.capacity, g.inline)
	start := lap << c.shift
	for i := range c.capacity {
		h := c.cell(i)
		h.state.Store(vacantAt(start, c.shift))
		h.length, h.attempt, h.kind = 0, 0, 0
	}
	c.tail.Store(start)
	c.head.Store(start)
	g.magic.Store(ringMagic)
	return nil
}

// OpenRing is the calling process's view of the ring in mem. There must be one
// view of a ring in a process. What mem holds is not trusted: a geometry that
// does not fit into it is ErrDamaged.
func OpenRing(d Domain, mem []byte) (*Ring, error) {
	c, err := openCells(mem)
	if err != nil {
		return nil, err
	}
	r := &Ring{d: d, put: newGate(d), get: newGate(d), lease: newGate(d), join: newGate(d), use: newGate(d)}
	r.lender = &lender{d: d, words: c.lending, pass: r.passDead, returned: r.wakeConsumer, wakeJoins: r.wakeJoins}
	c.ring, c.epoch, c.me = r, d.Epoch(), ownerField(d.Self())
	r.own = c
	r.cells.Store(c)
	return r, nil
}

// openCells reads the geometry, once, and checks it.
func openCells(mem []byte) (*cells, error) {
	if len(mem) < ringHeader {
		return nil, fmt.Errorf("ipc: a ring in %d bytes of memory: %w", len(mem), shm.ErrDamaged)
	}
	g := shm.At[ringGeometry](mem, 0)
	if m := g.magic.Load(); m != ringMagic {
		return nil, fmt.Errorf("ipc: no ring here, the magic is %#x: %w", m, shm.ErrDamaged)
	}
	capacity, room, inline := g.capacity, g.room, g.inline
	if err := checkGeometry(len(mem), capacity, room, inline); err != nil {
		return nil, err
	}
	return newCells(mem, capacity, inline), nil
}

func checkGeometry(size int, capacity, room, inline uint32) error {
	layout := layoutFor(uint64(capacity), uint64(inline))
	ok := capacity >= 1 && capacity <= MaxRingCapacity && inline <= MaxRingInline &&
		uint64(room) == layout.room && layout.size(uint64(capacity)) <= uint64(size-ringHeader)
	if !ok {
		return fmt.Errorf("ipc: a ring of %d cells, with messages of %d bytes %d apart, in %d: %w",
			capacity, inline, room, size, shm.ErrDamaged)
	}
	return nil
}

func newCells(mem []byte, capacity, inline uint32) *cells {
	w := shm.At[ringWords](mem, 0)
	return &cells{
		tail:     &w.tail,
		head:     &w.head,
		notes:    &w.geometry.notes,
		closed:   &w.put.closed,
		puts:     &w.put.puts,
		scanned:  &w.get.scanned,
		frees:    &w.get.frees,
		lending:  &w.get.lending,
		first:    newCellBase(mem[ringHeader:]),
		layout:   layoutFor(uint64(capacity), uint64(inline)),
		capacity: uint64(capacity),
		shift:    uint(bits.Len32(capacity - 1)),
		mask:     1<<bits.Len32(capacity-1) - 1,
		end:      math.MaxUint64,
		inline:   inline,
		words:    w,
		leads:    leads(capacity, inline),
		quick:    int(min(inline, mostQuick)),
		simple:   simple(capacity),
		lap:      1 << (lapShift - bits.Len32(capacity-1)),
	}
}

// Cap is the number of cells, or 0 if the ring grows.
func (r *Ring) Cap() int {
	if r.chain != nil {
		return 0
	}
	return int(r.cells.Load().capacity)
}

// Inline is the size of the largest message.
func (r *Ring) Inline() int { return int(r.cells.Load().inline) }

// Note is word i, 0 or 1, of two that lie in the ring's memory for those who use
// it; the ring does not look at them. They are 0 at first.
func (r *Ring) Note(i int) *shared.Uint64 { return &r.cells.Load().notes[i] }

// Len is about the number of messages: those that are being put are counted,
// those that somebody has are not, unless it returned them or is dead: they came
// back. It may be outdated when it returns.
func (r *Ring) Len() int {
	r.Enter() // to look may open segments
	defer r.Leave()
	c := r.cells.Load()
	if c == detached {
		return 0
	}
	back := r.lender.back()
	if r.chain != nil {
		return back + r.chain.length()
	}
	return back + c.length()
}

func (c *cells) length() int {
	head := c.head.Load()
	tail := c.tail.Load() // after head, so that a moving ring seems longer, not negative
	n := int64(tail>>c.shift-head>>c.shift)*int64(c.capacity) + int64(tail&c.mask) - int64(head&c.mask)
	n = min(max(n, 0), int64(c.capacity))
	if c.epoch.Load() != c.scanned.Load() {
		n += int64(c.orphans())
	}
	return int(n)
}

// Full reports whether TryClaim would find no free cell. It may be outdated when it
// returns. A ring that grows is never full.
func (r *Ring) Full() bool {
	r.Enter() // to look may help
	defer r.Leave()
	return r.chain == nil && r.cells.Load().full()
}

func (c *cells) full() bool {
	for { // again if tail was behind
		pos := c.tail.Load()
		cell := c.at(pos)
		if cell == nil {
			return false
		}
		free := vacantAt(pos, c.shift)
		state := cell.state.Load()
		if state == free {
			return false
		}
		if err := c.cannotClaim(pos, cell, state, free); err != nil {
			return err == ErrFull
		}
	}
}

// Close ends the putting side for all processes: when it returned, no Put or
// Claim succeeds any more. What is committed, and what was claimed before, can
// still be got; then Get and Take return ErrClosed. All who wait look again. It
// synchronizes before each ErrClosed that it causes.
func (r *Ring) Close() error {
	r.Enter()
	defer r.Leave()
	c := r.cells.Load()
	r.putEdge.release()
	c.closed.Store(1) // observed by claim and take
	c.puts.wakeAll()
	c.frees.wakeAll()
	c.lending.joins.wakeAll()
	c.ring.lender.wakeSlotless(math.MaxInt32)
	return nil
}

// Closed reports whether the ring was closed, by whichever process.
func (r *Ring) Closed() bool {
	if r.cells.Load().closed.Load() == 0 {
		return false
	}
	r.putEdge.acquire()
	return true
}

// Detach ends this process's view: everybody who waits through it, or uses it
// later, gets ErrClosed. Other processes are not concerned. It returns when nobody
// waits any more, and nobody is between Enter and Leave. Claimed and taken cells stay
// valid until they are given back, which must happen before the memory goes away.
func (r *Ring) Detach() {
	r.cells.Store(detached)
	if r.chain != nil {
		defer r.chain.close() // when nobody waits any more
	}
	r.put.close()
	r.get.close()
	r.lease.close()
	r.join.close()
	r.use.close()
}

// Enter begins what must be done with the ring, or with a cell of it, before Detach
// returns; Leave ends it. Between them the caller may wait for a cell, which Detach ends,
// but not for anything that may wait for Detach. Claim and Take alone do not do that: it
// would cost them half their time.
func (r *Ring) Enter() { r.use.enter() }

// Leave ends what Enter has begun.
func (r *Ring) Leave() { r.use.leave() }

// detached are the cells of views that were ended: those of an empty and closed
// ring. So the fast paths need not ask whether there still is a view.
var detached = func() *cells {
	mem := make([]byte, ringHeader+2*cellAlign)
	mem = alignTo(mem, cellAlign)
	if err := InitRing(mem, 1, 0); err != nil {
		panic(err)
	}
	c := newCells(mem, 1, 0)
	c.closed.Store(1)
	c.quick = -1
	c.inline = MaxRingInline // so that Put says ErrClosed, not ErrTooLarge
	c.ring, c.epoch, c.me = &Ring{own: c, lender: new(lender)}, new(shared.Uint32), ownerField(shm.DeadOwner)
	return c
}()

// String tells the fill and the state.
func (r *Ring) String() string {
	state := ""
	if r.Closed() {
		state = ", closed"
	}
	return fmt.Sprintf("Ring(%d of %d%s)", r.Len(), r.Cap(), state)
}

// Put puts a copy of msg, and waits for a free cell if need be. If it returns
// nil, the message is committed. Otherwise it was not put, and the error is
// ErrClosed, the context's, or ErrTooLarge for more than Inline bytes.
func (r *Ring) Put(ctx context.Context, msg []byte) error {
	if err := r.fits(len(msg)); err != nil {
		return err
	}
	c, err := r.Claim(ctx)
	if err != nil {
		return err
	}
	copy(c.Bytes(), msg)
	c.Commit(len(msg))
	return nil
}

// TryPut is Put, but returns ErrFull where Put would wait.
func (r *Ring) TryPut(msg []byte) error {
	if err := r.fits(len(msg)); err != nil {
		return err
	}
	c, err := r.TryClaim()
	if err != nil {
		return err
	}
	copy(c.Bytes(), msg)
	c.Commit(len(msg))
	return nil
}

func (r *Ring) fits(n int) error {
	if most := r.cells.Load().inline; uint64(n) > uint64(most) {
		return fmt.Errorf("ipc: a message of %d bytes in a ring for %d: %w", n, most, shm.ErrTooLarge)
	}
	return nil
}

// Get takes the next message, appends it to buf, and returns that. It waits for
// one if need be. The error is ErrClosed if the ring is closed and drained, the
// context's, or ErrDamaged for a message that was there but made no sense.
func (r *Ring) Get(ctx context.Context, buf []byte) ([]byte, error) {
	t, err := r.Take(ctx)
	if err != nil {
		return buf, err
	}
	return t.consume(buf)
}

// TryGet is Get, but returns ErrEmpty where Get would wait.
func (r *Ring) TryGet(buf []byte) ([]byte, error) {
	t, err := r.TryTake()
	if err != nil {
		return buf, err
	}
	return t.consume(buf)
}
