package ipc

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// ErrNotLeased: the lease is not the caller's, or not any more: it was
// acknowledged, or returned.
var ErrNotLeased = errors.New("the message is not on lease: it was acknowledged or returned before")

// A Lease is a message that its holder has received and not yet dealt with. It
// must be acknowledged, by Ack, or returned, by Nack, once. If its process dies
// before, somebody else receives the message again.
//
// # Where a message is meanwhile
//
// It is copied from its cell to a slot of the lease table, and its cell is freed:
// so a lease may last for an hour without holding up the ring. The table is a
// block of its own that exists only for rings with leases. A slot's states are
// those of a cell, and so are its words; only that its laps count uses, and no
// order is among the slots:
//
//	{g, vacant}       nothing here
//	{g, writing, P}   P is about to copy a message to it
//	{g, reading, P}   P has the message on lease
//	{g, ready}        it was returned; anybody may have it once it is due
//
//	reserve   {g, vacant}      → {g, writing, me}    CAS
//	lend      {g, writing, me} → {g, reading, me}    store; then the cell is freed
//	Ack       {g, reading, me} → {g+1, vacant}       CAS
//	Nack      {g, reading, me} → {g+1, ready}        CAS
//	again     {g, ready}       → {g, reading, me}    CAS
//	take over {g, reading, dead} → {g, reading, me}  CAS, after the cell is freed
//	give up   {g, writing, me or dead} → {g+1, vacant}
//
// # Layout
//
//	  0  magic      4  stored last
//	  4  count      4  slots
//	  8  stride     4  bytes from slot to slot, a multiple of 64
//	 12  inline     4  most bytes of a message
//	 16  deliveries 4  how often a message is delivered at most, 0 for no limit
//	128  frees     16  doorbell of vacant slots: receivers sleep, holders wake; also for
//	                   a message that came back, which needs no slot, and for the end
//	256  slots         count × stride; see leaseHeader
//
// Beside the ring's own words lies what all who use it must know: see lending.
//
// # One message, two places
//
// From lend until the cell is freed a message is in both. If its process dies
// there, the lease counts: whoever takes the lease over frees the cell first, by a
// CAS that expects the dead reader there; and whoever finds a cell of a dead reader
// looks for its lease before it inherits the cell. The dead one makes no new lease
// meanwhile. If two do so at once, the cell is freed by one of them and inherited
// by none: one who has looked and found no lease, because another has just taken
// it over, fails to inherit, as that one had freed the cell before.
//
// Who asks whether a message is still there (Pending, idle) looks at the cell
// first and at the leases afterwards, and so does not miss it between the two.
//
// # A kill after each step
//
//	reserve              the slot is given up by who looks for the dead's leases
//	while copying        the same, and the cell is inherited
//	lend                 the lease is taken over, and the cell freed
//	cell freed           the lease is taken over
//	Ack                  it is over; the epoch makes up for a wake-up
//	Nack: CAS            the message is there for anybody; the epoch makes all look
//	Nack: marks raised   the epoch makes up for the wake-up
//	again, take over     the holder is a dead one like the first
//	due lowered          marks are not as they were scanned: somebody looks again
type Lease struct {
	lender *lender
	slot   *leaseHeader
	bytes  []byte // of the slot
	state  uint64 // {g, reading, me}
}

// A lending is what a ring's users have in common about its leases. It lies beside
// the words that consumers look at anyway.
type lending struct {
	// table names the block with the leases; 0 if there is none yet. Written once.
	table shared.Uint64

	// marks are two counts: in the high half, of what made it worthwhile to look for
	// returned messages; in the low half, that count when somebody had looked and
	// found nothing that is due. Raised by Nack, evened by who looked.
	marks shared.Uint64

	// due is when the first of the returned messages may be delivered again, by
	// CLOCK_MONOTONIC, or 0. Written by who looked.
	due shared.Int64

	// joins is the doorbell of those who wait until everything is acknowledged.
	joins doorbell
}

const markUnit = 1 << 32

// mayBeCalled is 0 if called is false, and that can be told without a look at the clock.
func (l *lending) mayBeCalled() uint64 {
	m := l.marks.Load()
	return m ^ bits.RotateLeft64(m, 32) | uint64(l.due.Load())
}

// called reports whether somebody should look for returned messages.
func (l *lending) called() bool {
	if m := l.marks.Load(); uint32(m) != uint32(m/markUnit) {
		return true
	}
	due := l.due.Load()
	return due != 0 && monotonic() >= due
}

// A leaseHeader is the begin of each slot; the message follows. Only the slot's
// owner writes to anything but its state.
type leaseHeader struct {
	state   shared.Uint64
	stamp   shared.Uint64 // of the position that the message came from
	due     shared.Int64  // of a returned one: CLOCK_MONOTONIC, or 0
	length  shared.Uint32
	attempt shared.Uint32 // deliveries so far
}

const leaseHeaderSize = 32

// A leaseGeometry is the first line of a lease table; written by InitLeases only.
type leaseGeometry struct {
	magic      shared.Uint32
	count      uint32
	stride     uint32
	inline     uint32
	deliveries uint32
}

const (
	leaseMagic     = 0x314c_706d // "mpL1"
	leaseTableHead = 256

	// MaxLeases is the largest number of slots of a lease table.
	MaxLeases = 1 << 24
)

// LeaseTableSize is the memory of a lease table for so many leases at a time, of
// messages of at most inline bytes.
func LeaseTableSize(count, inline int) (int, error) {
	switch {
	case count < 1:
		return 0, fmt.Errorf("ipc: %d leases: there must be at least 1", count)
	case inline < 0:
		return 0, fmt.Errorf("ipc: leases of messages of %d bytes", inline)
	case count > MaxLeases || inline > MaxRingInline:
		return 0, fmt.Errorf("ipc: %d leases of %d bytes: %w", count, inline, shm.ErrTooLarge)
	}
	return cellAlign + leaseTableHead + count*leaseStride(inline), nil
}

func leaseStride(inline int) int {
	return (leaseHeaderSize + inline + cellAlign - 1) &^ (cellAlign - 1)
}

// InitLeases makes a table without leases in mem, of at least LeaseTableSize zero
// bytes. A message is delivered so many times at most; 0 means that there is no
// limit.
func InitLeases(mem []byte, count, inline, deliveries int) error {
	size, err := LeaseTableSize(count, inline)
	if err != nil {
		return err
	}
	if len(mem) < size {
		return fmt.Errorf("ipc: a lease table of %d bytes in %d bytes of memory", size, len(mem))
	}
	g := shm.At[leaseGeometry](alignTo(mem, cellAlign), 0)
	g.count, g.stride, g.inline = uint32(count), uint32(leaseStride(inline)), uint32(inline)
	g.deliveries = uint32(min(deliveries, math.MaxInt32)) // who has time for more
	g.magic.Store(leaseMagic)
	return nil
}

// A leaseTable is a process's view of the memory of the leases.
type leaseTable struct {
	frees      *doorbell
	slots      []byte
	count      int
	stride     int
	inline     int
	deliveries int
	next       atomic.Uint32 // slot to look at first
}

// openLeases reads the geometry, once, and checks it.
func openLeases(mem []byte) (*leaseTable, error) {
	if len(mem) < cellAlign+leaseTableHead {
		return nil, fmt.Errorf("ipc: leases in %d bytes of memory: %w", len(mem), shm.ErrDamaged)
	}
	mem = alignTo(mem, cellAlign)
	g := shm.At[leaseGeometry](mem, 0)
	magic, count, stride, inline := g.magic.Load(), g.count, g.stride, g.inline
	slots := mem[leaseTableHead:]
	ok := magic == leaseMagic && count >= 1 && count <= MaxLeases && inline <= MaxRingInline &&
		int(stride) == leaseStride(int(inline)) && uint64(count)*uint64(stride) <= uint64(len(slots))
	if !ok {
		return nil, fmt.Errorf("ipc: no leases here: magic %#x, %d slots, %d bytes apart, in %d: %w",
			magic, count, stride, len(mem), shm.ErrDamaged)
	}
	return &leaseTable{
		frees: shm.At[doorbell](mem, 128), slots: slots,
		count: int(count), stride: int(stride), inline: int(inline), deliveries: int(g.deliveries),
	}, nil
}

func (t *leaseTable) at(i int) *leaseHeader { return shm.At[leaseHeader](t.slots, i*t.stride) }

// bytes is the room for a message in slot i.
func (t *leaseTable) bytes(i int) []byte {
	from := i*t.stride + leaseHeaderSize
	return t.slots[from : from+t.inline : from+t.inline]
}

// lentFrom reports whether the message of the position that stamp names is out on
// a lease, or was returned. mem is not trusted; it is nil if there are no leases.
func lentFrom(mem []byte, stamp uint64) bool {
	if mem == nil {
		return false
	}
	t, err := openLeases(mem)
	if err != nil {
		return false
	}
	for i := range t.count {
		h := t.at(i)
		if phase := h.state.Load() & phaseMask; (phase == reading || phase == ready) && h.stamp.Load() == stamp {
			return true
		}
	}
	return false
}

// Bytes is the message where it lies, valid until Ack or Nack. The error is
// ErrDamaged if it has a length that cannot be.
func (l Lease) Bytes() ([]byte, error) {
	n := l.slot.length.Load()
	if uint64(n) > uint64(len(l.bytes)) {
		return nil, fmt.Errorf("ipc: a message of %d bytes in a lease for %d: %w", n, len(l.bytes), shm.ErrDamaged)
	}
	return l.bytes[:n:n], nil
}

// Attempt is how often the message was delivered, this time included.
func (l Lease) Attempt() int { return int(l.slot.attempt.Load()) }

// Exhausted reports whether this is one delivery more than there should be.
func (l Lease) Exhausted() bool { return l.attempts(1) }

// Last reports whether the message should not be delivered again.
func (l Lease) Last() bool { return l.attempts(0) }

// attempts reports whether there were more by so many than there may be, if that is
// limited.
func (l Lease) attempts(more int) bool {
	most := l.lender.opened.Load().deliveries
	return most > 0 && l.Attempt() >= most+more
}

// Ack consumes the message. The error is ErrNotLeased if it was acknowledged or
// returned before; then nothing happens.
func (l Lease) Ack() error {
	l.lender.edge.release()
	if !l.slot.state.CompareAndSwap(l.state, passed(l.state)) {
		return ErrNotLeased
	}
	l.lender.opened.Load().frees.wake(1)
	l.lender.wakeJoins()
	return nil
}

// Nack returns the message, to be delivered again after the delay, or at once. The
// error is ErrNotLeased if it was acknowledged or returned before.
func (l Lease) Nack(delay time.Duration) error {
	if l.slot.state.Load() != l.state {
		return ErrNotLeased
	}
	due := int64(0)
	if delay > 0 {
		due = monotonic() + int64(delay)
	}
	l.slot.due.Store(due)
	l.lender.edge.release()
	if !l.slot.state.CompareAndSwap(l.state, passed(l.state)|ready) { // gives it to everybody
		return ErrNotLeased
	}
	l.lender.words.marks.Add(markUnit)
	l.lender.returned()
	return nil
}
