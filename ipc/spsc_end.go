package ipc

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/race"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/shm"
)

// An end is what StreamWriter and StreamReader have in common.
type end struct {
	d          Domain
	mine, peer *streamEnd
	gate       *gate
	lull       lull
	reached    bool        // by sys.Barrier, when it publishes
	gone       atomic.Bool // interrupted: to be closed or handed over

	epoch *shared.Uint32 // the domain's
	calm  atomic.Uint32  // the epoch at which the peer was not dead; see lost
}

// open claims an end for this process, from nobody or from the dead.
func (e *end) open(d Domain, mine, peer *streamEnd) error {
	e.d, e.mine, e.peer, e.gate, e.epoch = d, mine, peer, newGate(d), d.Epoch()
	e.calm.Store(e.epoch.Load() - 1) // not known yet
	if mine.closed.Load() != endOpen {
		return ErrClosed
	}
	for { // again if another opened it between Load and CompareAndSwap
		owner := shm.Incarnation(mine.owner.Load())
		if owner != shm.Nobody && !ownerDead(d, owner) {
			return fmt.Errorf("ipc: %w: %v", ErrEndTaken, owner)
		}
		if mine.owner.CompareAndSwap(uint32(owner), uint32(d.Self())) {
			break
		}
	}
	e.agree()
	return nil
}

// settle is longer than any CPU keeps a store to itself.
const settle = time.Millisecond

// agree tells the peer whether it must make barriers for us.
func (e *end) agree() {
	e.reached = releaseIsCheaper && placesTell && !race.Enabled && sys.RegisterBarrier() == nil
	if e.reached {
		e.mine.barrier.Store(1)
	} else if e.mine.barrier.Swap(0) != 0 {
		time.Sleep(settle)
	}
}

// publish stores this end's position, so that the peer sees what it hands over,
// and wakes the peer if it waits.
func (e *end) publish(word *shared.Uint64, pos uint64) {
	if e.unfenced() {
		storeRelease(word, pos)
	} else {
		word.Store(pos)
	}
	if e.peer.waiting.Load() != 0 {
		e.peer.ring()
	}
}

// unfenced reports whether the peer makes the barriers of this end's publishing.
func (e *end) unfenced() bool { return e.reached && e.peer.barrier.Load() == 1 }

// ring wakes those of the end's owner who sleep: at most one that waits for a
// record or for room, and those that only want to know.
func (s *streamEnd) ring() {
	s.waiting.Store(0)
	s.rung.Add(1)
	futex.WakeAll(&s.rung)
}

// wakePeer is ring, if the peer waits, for who has published without whatever keeps the end: it
// may be given up meanwhile, and who does that wakes the peer.
func (e *end) wakePeer() {
	e.gate.enter()
	defer e.gate.leave()
	if !e.gate.closed.Load() && e.peer.waiting.Load() != 0 {
		e.peer.ring()
	}
}

// announce comes before the last look before sleeping. It returns the value of
// rung to sleep on.
func (e *end) announce() uint32 {
	rung := e.mine.rung.Load()
	e.mine.waiting.Store(1)
	if e.reached {
		_ = sys.Barrier() // for the peer's publish; it has worked before
	}
	return rung
}

// lost reports whether nobody has the other end any more, and it was not closed.
// Once it was so, it stays so, even if somebody would take the end from the dead.
//
// Whether the peer is dead is asked once for each death epoch. The epoch is read
// before the owner: a process that died before that epoch had become the owner, if it
// ever did, before it died, so this look sees it.
func (e *end) lost() bool {
	if e.peer.closed.Load() == endOpen {
		if epoch := e.epoch.Load(); epoch != e.calm.Load() {
			if ownerDead(e.d, shm.Incarnation(e.peer.owner.Load())) {
				lose(e.peer, e.mine)
			} else {
				e.calm.Store(epoch)
			}
		}
	}
	return e.peer.closed.Load() == endLost
}

// undisturbed reports whether neither end is closed or handed over, and nobody has died
// since the peer was last known to be alive, or to be nobody. It costs four loads.
func (e *end) undisturbed() bool {
	return e.peer.closed.Load() == endOpen && e.epoch.Load() == e.calm.Load() && !e.gone.Load()
}

// shut reports whether this end is not usable any more.
func (e *end) shut() bool { return e.gone.Load() || e.mine.closed.Load() != endOpen }

// Interrupt ends all waiting at this end for good: who waits, and who would wait
// later, gets ErrClosed. The peer is not told: Close or HandOver comes next. It may
// be called while others use the end.
func (e *end) Interrupt() {
	if !e.gone.Swap(true) {
		e.gate.close()
	}
}

// HandOver gives the end up without ending the stream; another process may open
// it, and goes on where this one stopped.
func (e *end) HandOver() {
	e.Interrupt()
	if e.peer.waiting.Load() != 0 {
		e.peer.ring() // perhaps for what was published last; see wakePeer
	}
	e.mine.waiting.Store(0)
	e.mine.owner.CompareAndSwap(uint32(e.d.Self()), uint32(shm.Nobody))
}

// close ends the stream from this side, unless the end was handed over. published is
// the edge to the peer.
func (e *end) close(published *edge) {
	e.Interrupt()
	published.release()
	mine := shm.Incarnation(e.mine.owner.Load()) == e.d.Self()
	if mine && e.mine.closed.CompareAndSwap(endOpen, endClosed) { // observed by the peer's attempts
		e.peer.ring()
	}
}

// LoseWriter and LoseReader say of the stream in mem that nobody can come to have
// that end any more, though it was not closed: the peer gets ErrPeerDied. Any
// process may call them, any number of times.
func LoseWriter(mem []byte) error {
	m, err := openStream(mem)
	if err == nil {
		lose(m.writer, m.reader)
	}
	return err
}

// LoseReader is described at LoseWriter.
func LoseReader(mem []byte) error {
	m, err := openStream(mem)
	if err == nil {
		lose(m.reader, m.writer)
	}
	return err
}

func lose(end, peer *streamEnd) {
	if end.closed.CompareAndSwap(endOpen, endLost) {
		peer.ring()
		end.ring() // whoever took it from the dead just now
	}
}

// StreamPending reports whether the record of that Stamp is still to be read: it
// was not released, somebody may yet do so, and it was committed, or may yet be.
func StreamPending(d Domain, mem []byte, stamp uint64) bool {
	m, err := openStream(mem)
	if err != nil || m.reader.closed.Load() != endOpen || ownerDead(d, shm.Incarnation(m.reader.owner.Load())) {
		return false
	}
	if int64(stamp-m.head.Load()) < 0 {
		return false
	}
	// Looked at in this order: a writer that commits and dies has committed.
	over := m.writer.closed.Load() != endOpen || ownerDead(d, shm.Incarnation(m.writer.owner.Load()))
	return !over || int64(m.tail.Load()-stamp) > 0
}
