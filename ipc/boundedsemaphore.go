package ipc

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A BoundedSemaphore is a fixed number of permits that belong to the processes
// that hold them: a process can give back only what it took, and what it held
// when it died is to be had again at once. It must not be copied.
//
// A running goroutine may overtake those that sleep, as at a Mutex, but who has
// waited for a millisecond gets the next permit: nobody starves.
//
// A Release synchronizes before the return of the Acquire that gets the permit.
//
// It is Python's multiprocessing.BoundedSemaphore, except that there any process
// may release, and a killed holder keeps its permits for ever.
//
// # Shared memory
//
//	offset  size
//	0       4     news, published when a permit is freed
//	4       4     number of permits, written once before anybody else looks
//	8       4     heir, see succession: as long as there is one, permits are for it
//	12      4n    permits: the incarnation that holds it, 0 if nobody does
//
// A permit is taken by one CAS from 0, or from a dead process's incarnation, and
// freed by one CAS to 0 of its holder: so every permit has one holder, or none, at
// every moment. Who finds none sleeps on news; who finds one that is for the heir
// sleeps on heir, and is woken when the heir resigns. The heir looks for permits
// after it has become heir, and whoever frees one looks for an heir afterwards and
// wakes all if there is one.
//
// # A kill after each step
//
//	taken        whoever looks next takes it from the dead; sleepers look because
//	             of the death epoch
//	freed        the publication is missing: the epoch makes up for it
//	published    the wake-up may be lost with the one it woke: the epoch again
//	became heir  nothing is kept for the dead, and who sleeps on heir is woken by
//	             the epoch
//	resigned     the wake-up of all on heir is missing: the epoch makes up for it
type BoundedSemaphore struct {
	head    *boundedHead
	permits []shared.Uint32
	me      uint32
	d       Domain
	gate    *gate
	edge    edge
	hint    atomic.Uint32 // where this process found a permit last
}

type boundedHead struct {
	freed news
	limit shared.Uint32
	heir  shared.Uint32
}

const (
	boundedHeadSize = 12

	// MaxBoundedPermits is how many permits a BoundedSemaphore can have: whoever
	// finds none has looked at all of them.
	MaxBoundedPermits = 1 << 16
)

// BoundedSemaphoreSize is the shared memory of a BoundedSemaphore of n permits in
// bytes; it is aligned to 4. The error is ErrTooFew or ErrTooMany.
func BoundedSemaphoreSize(n int) (int, error) {
	if n < 1 || n > MaxBoundedPermits {
		return 0, fmt.Errorf("ipc: a bounded semaphore of %d permits: %w", n, countError(n))
	}
	return boundedHeadSize + 4*n, nil
}

// InitBoundedSemaphore makes zeroed memory of BoundedSemaphoreSize a semaphore of
// n permits.
func InitBoundedSemaphore(mem []byte, n int) error {
	size, err := BoundedSemaphoreSize(n)
	if err != nil {
		return err
	}
	if len(mem) < size {
		return fmt.Errorf("ipc: %d bytes for a bounded semaphore of %d permits, which needs %d", len(mem), n, size)
	}
	shm.At[boundedHead](mem, 0).limit.Store(uint32(n))
	return nil
}

// OpenBoundedSemaphore is the calling process's view of the semaphore in mem. It
// is shm.ErrDamaged if there is none.
func OpenBoundedSemaphore(d Domain, mem []byte) (*BoundedSemaphore, error) {
	if len(mem) < boundedHeadSize {
		return nil, fmt.Errorf("ipc: a bounded semaphore in %d bytes: %w", len(mem), shm.ErrDamaged)
	}
	head := shm.At[boundedHead](mem, 0)
	n := int(head.limit.Load())
	if size, err := BoundedSemaphoreSize(n); err != nil || len(mem) < size {
		return nil, fmt.Errorf("ipc: a bounded semaphore of %d permits in %d bytes: %w", n, len(mem), shm.ErrDamaged)
	}
	return &BoundedSemaphore{
		head:    head,
		permits: shm.SliceAt[shared.Uint32](mem, boundedHeadSize, n),
		me:      uint32(d.Self()),
		d:       d,
		gate:    newGate(d),
	}, nil
}

// Acquire takes a permit for this process. It blocks until there is one, and
// returns the context's error if that is done first, ErrClosed after Close.
func (s *BoundedSemaphore) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.gate.closed.Load() {
		return ErrClosed
	}
	if s.head.heir.Load() == 0 && s.take() {
		s.edge.acquire()
		return nil
	}
	return s.acquireSlow(ctx)
}

func (s *BoundedSemaphore) acquireSlow(ctx context.Context) error {
	s.gate.enter() // resign below still uses the shared words
	defer s.gate.leave()
	p := boundedPermission{s: s}
	p.succession = succession{heir: &s.head.heir, me: s.me, d: s.d, gate: s.gate}
	err := s.gate.wait(ctx, p.try)
	if p.resign() {
		futex.WakeAll(&s.head.heir)
	}
	if err == nil {
		s.edge.acquire()
	}
	return err
}

// TryAcquire takes a permit for this process if there is one, and reports whether
// it did.
func (s *BoundedSemaphore) TryAcquire() (bool, error) {
	if s.gate.closed.Load() {
		return false, ErrClosed
	}
	ok := s.take()
	if ok {
		s.edge.acquire()
	}
	return ok, nil
}

// A boundedPermission is one goroutine's way to a permit where there was none at
// once.
type boundedPermission struct {
	succession
	s         *BoundedSemaphore
	announced bool
}

// try is the attempt for the gate. An announcing one is the leader's.
func (p *boundedPermission) try(announce bool) (done bool, word *shared.Uint32, seen uint32) {
	if announce {
		p.announced = true
		p.hurry()
		seen = p.s.head.freed.expect()
	}
	for { // again if another took the permit
		at, owner := p.s.find()
		if at < 0 {
			p.taken()
			return false, &p.s.head.freed.word, seen
		}
		if may, heir := p.entitled(announce); !may {
			return false, p.heir, heir
		}
		if p.s.claim(at, owner) {
			break
		}
	}
	if p.announced {
		p.s.head.freed.pass()
	}
	return true, nil, 0
}

// take takes a permit if there is one, whoever it is for.
func (s *BoundedSemaphore) take() bool {
	for { // again if another took the permit
		at, owner := s.find()
		if at < 0 {
			return false
		}
		if s.claim(at, owner) {
			return true
		}
	}
}

// find returns the first permit that is free or a dead process's, and what its word
// holds; -1 if there is none.
func (s *BoundedSemaphore) find() (at int, owner uint32) {
	from := int(s.hint.Load())
	for i := range s.permits {
		at := (from + i) % len(s.permits)
		if owner := s.permits[at].Load(); s.free(owner) {
			return at, owner
		}
	}
	return -1, 0
}

// claim takes a permit, unless its word is no longer owner.
func (s *BoundedSemaphore) claim(at int, owner uint32) bool {
	if !s.permits[at].CompareAndSwap(owner, s.me) {
		return false
	}
	if uint32(at) != s.hint.Load() {
		s.hint.Store(uint32(at))
	}
	return true
}

func (s *BoundedSemaphore) free(owner uint32) bool {
	return owner == 0 || owner != s.me && ownerDead(s.d, shm.Incarnation(owner))
}

// Release gives back one permit of this process. It is ErrOverRelease if the
// process holds none.
func (s *BoundedSemaphore) Release() error {
	if s.gate.closed.Load() {
		return ErrClosed
	}
	s.edge.release()
	from := int(s.hint.Load())
	for i := range s.permits {
		at := (from + i) % len(s.permits)
		if s.permits[at].Load() == s.me && s.permits[at].CompareAndSwap(s.me, 0) {
			s.head.publish()
			return nil
		}
	}
	return ErrOverRelease
}

// publish tells of one permit that was freed: to one sleeper, or to all of them if
// one is the heir.
func (h *boundedHead) publish() {
	if h.heir.Load() != 0 {
		h.freed.publish(everybody)
	} else {
		h.freed.publish(1)
	}
}

// Value is the number of permits that are to be had.
func (s *BoundedSemaphore) Value() int {
	n := 0
	for i := range s.permits {
		if s.free(s.permits[i].Load()) {
			n++
		}
	}
	return n
}

// Limit is the number of permits that there are.
func (s *BoundedSemaphore) Limit() int { return len(s.permits) }

// Locked reports whether no permit is to be had.
func (s *BoundedSemaphore) Locked() bool { return s.Value() == 0 }

// Close ends this process's view: everybody who waits through it, or ever will,
// gets ErrClosed, and the permits of this process are given back.
func (s *BoundedSemaphore) Close() error {
	s.gate.close()
	s.edge.release()
	for i := range s.permits {
		if s.permits[i].CompareAndSwap(s.me, 0) {
			s.head.publish()
		}
	}
	return nil
}

// String tells the number of permits.
func (s *BoundedSemaphore) String() string {
	if s.gate.closed.Load() {
		return "BoundedSemaphore(closed)"
	}
	return fmt.Sprintf("BoundedSemaphore(value=%d, maxvalue=%d)", s.Value(), s.Limit())
}
