package ipc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A CondState is the shared memory of a Cond. Zero is one that nobody waits for.
//
//	offset  size
//	0       4     news, published by Notify
//	4       4     turn: the slot at which the next Notify begins to look
//	8       2048  waiting: the roster
//
// The value of a process in the roster:
//
//	bits 31..16  granted: how many of its waiters have been notified and have not
//	             gone on yet
//	bits 15..0   waiting: how many wait, those included
//
// A waiter enters itself while it holds the lock, then unlocks, then sleeps. Who
// notifies holds the lock, and raises granted of processes that live and have
// more waiting than granted; so exactly those can be notified who came before, and
// one notification releases one of them. A waiter goes on by taking a grant of its
// process, lowering both numbers in one CAS. One that gives up lowers waiting,
// unless all who wait are granted: then it goes on as notified.
//
// # A kill after each step
//
//	entered      the entry is of a dead process: Notify passes over it
//	granted      (the notifier dies) the publication is missing: the death epoch
//	             makes up for it; the lock is a dead owner's
//	notified     (the waiter dies) a waiter of another process takes its grant,
//	             looking for it because of the epoch
//	grant taken  the notification is used up by one who died of it
//
// Nobody waits for a waiter's acknowledgement.
type CondState struct {
	notified news
	turn     shared.Uint32
	waiting  roster
}

// CondSize is the shared memory of a Cond in bytes; it is aligned to 8.
const CondSize = 8 + 8*shm.MaxProcesses

const (
	condWaiting = 1
	condGranted = 1 << 16
	condMax     = math.MaxUint16 // of either, in one process
)

func condSplit(v uint32) (granted, waiting uint32) { return v >> 16, v & condMax }

// A Cond lets processes wait for a condition on data that a Mutex protects. It
// must not be copied.
//
// A Notify synchronizes before the return of a Wait that it releases.
//
// It is Python's multiprocessing.Condition, except that there Notify hangs after
// a waiter was killed. There is no spurious return of Wait; but between the
// notification and the return others may have had the lock, so look again, or use
// WaitFor.
type Cond struct {
	state *CondState
	lock  *Mutex
	me    shm.Incarnation
	d     Domain
	gate  *gate
	edge  edge

	mu      sync.Mutex
	waiters []*condWaiter // of this process, not notified yet, in the order of their coming
}

// A condWaiter is one goroutine in Wait. Grants belong to a process; within it
// they go to those who came first, whoever finds them: otherwise one who notifies
// and then waits might take the grant of the one it notified.
type condWaiter struct {
	notified bool               // guarded by Cond.mu
	wake     context.CancelFunc // ends the goroutine's stay at the gate
}

// NewCond is the calling process's view of the condition at s with the lock lock.
// All processes must use the same lock.
func NewCond(d Domain, s *CondState, lock *Mutex) *Cond {
	return &Cond{state: s, lock: lock, me: d.Self(), d: d, gate: newGate(d)}
}

// Mutex is the condition's lock.
func (c *Cond) Mutex() *Mutex { return c.lock }

// Wait unlocks the lock, which this process must hold, waits for a notification,
// and locks again. It returns the context's error if that is done first, and
// ErrClosed after Close.
//
// The lock is held on return, which may take longer than the context allows;
// except if the error is ErrNotLocked, ErrNotOwner, or one of relocking, as
// ErrOwnerDied; or if Close has ended the wait: whose handles of both are being given back
// would be the lock's dead owner a moment later.
func (c *Cond) Wait(ctx context.Context) error {
	if err := c.owned(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.gate.enter()
	err := c.enterAndSleep(ctx)
	c.gate.leave()
	if errors.Is(err, ErrTooMany) || errors.Is(err, errStillLocked) || errors.Is(err, ErrClosed) {
		return err
	}
	if relock := c.lock.Lock(context.WithoutCancel(ctx)); relock != nil {
		return relock
	}
	return err
}

// errStillLocked wraps the error of an Unlock that failed.
var errStillLocked = errors.New("ipc: condition")

func (c *Cond) enterAndSleep(ctx context.Context) error {
	ctx, wake := withCancel(ctx)
	defer wake()
	w := &condWaiter{wake: wake}
	if err := c.enlist(w); err != nil {
		return err
	}
	if err := c.lock.Unlock(); err != nil {
		c.giveUp(w)
		return fmt.Errorf("%w: %w", errStillLocked, err)
	}
	err := c.gate.wait(ctx, func(announce bool) (done bool, word *shared.Uint32, seen uint32) {
		if announce {
			seen = c.state.notified.expect()
		}
		return c.take(w, announce), &c.state.notified.word, seen
	})
	if err != nil && c.giveUp(w) {
		return err
	}
	c.edge.acquire()
	return nil
}

// WaitFor waits until condition holds. It calls condition with the lock held, at
// first at once. Its errors are Wait's.
func (c *Cond) WaitFor(ctx context.Context, condition func() bool) error {
	if err := c.owned(); err != nil {
		return err
	}
	for !condition() {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Notify lets up to n of those who wait go on. This process must hold the lock.
// With nobody waiting it does nothing, now or later.
func (c *Cond) Notify(n int) error {
	if err := c.owned(); err != nil {
		return err
	}
	if n < 1 {
		return fmt.Errorf("ipc: notifying %d: %w", n, ErrTooFew)
	}
	c.edge.release()
	if c.grant(n) > 0 {
		c.state.notified.publish(everybody)
	}
	return nil
}

// NotifyAll lets all who wait go on. This process must hold the lock.
func (c *Cond) NotifyAll() error { return c.Notify(math.MaxInt) }

// Waiting is the number of those who wait and have not been notified.
func (c *Cond) Waiting() int {
	n := 0
	for i := range c.state.waiting {
		e := c.state.waiting[i].Load()
		if granted, waiting := condSplit(uint32(e)); waiting > granted && c.d.Alive(entryOwner(e)) {
			n += int(waiting - granted)
		}
	}
	return n
}

// owned says what is wrong if this process does not hold the lock.
func (c *Cond) owned() error {
	if c.gate.closed.Load() {
		return ErrClosed
	}
	switch c.lock.Owner() {
	case c.me:
		return nil
	case shm.Nobody:
		return ErrNotLocked
	}
	return ErrNotOwner
}

// enlist enters w. Grants that a dead process of the slot left go to others.
func (c *Cond) enlist(w *condWaiter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := c.state.waiting.of(c.me)
	for { // again if a grant came between Load and CompareAndSwap
		e := mine.Load()
		next, orphaned := e+condWaiting, uint32(0)
		if entryOwner(e) != c.me {
			orphaned, _ = condSplit(uint32(e))
			next = entry(c.me, condWaiting)
		} else if _, waiting := condSplit(uint32(e)); waiting == condMax {
			return fmt.Errorf("ipc: %d goroutines wait for a condition: %w", waiting, ErrTooMany)
		}
		if !mine.CompareAndSwap(e, next) {
			continue
		}
		c.waiters = append(c.waiters, w)
		if orphaned > 0 && c.grant(int(orphaned)) > 0 {
			c.state.notified.publish(everybody)
		}
		return nil
	}
}

// giveUp takes w out, and reports whether it had not been notified.
func (c *Cond) giveUp(w *condWaiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.notified {
		return false
	}
	c.waiters = slices.DeleteFunc(c.waiters, func(other *condWaiter) bool { return other == w })
	return c.withdraw()
}

// withdraw takes one waiter of this process out who was not notified; false if all
// of them were.
func (c *Cond) withdraw() bool {
	mine := c.state.waiting.of(c.me)
	for { // again if a grant came between Load and CompareAndSwap
		e := mine.Load()
		granted, waiting := condSplit(uint32(e))
		if granted == waiting {
			if mine.CompareAndSwap(e, e-condGranted-condWaiting) {
				return false
			}
		} else if mine.CompareAndSwap(e, e-condWaiting) {
			return true
		}
	}
}

// grant gives up to n grants to those who wait, and returns how many it gave. The
// lock is held.
func (c *Cond) grant(n int) (given int) {
	from := int(c.state.turn.Load())
	for i := range c.state.waiting {
		at := (from + i) % len(c.state.waiting)
		given += c.grantOne(&c.state.waiting[at], n-given)
		if given == n {
			c.state.turn.Store(uint32(at+1) % shm.MaxProcesses)
			break
		}
	}
	return given
}

// grantOne gives up to n grants to one process.
func (c *Cond) grantOne(of *shared.Uint64, n int) int {
	for { // again if a waiter went on or gave up between Load and CompareAndSwap
		e := of.Load()
		granted, waiting := condSplit(uint32(e))
		if waiting <= granted || !c.d.Alive(entryOwner(e)) {
			return 0
		}
		k := min(n, int(waiting-granted))
		if of.CompareAndSwap(e, e+uint64(k)*condGranted) {
			return k
		}
	}
}

// take hands out the grants of this process; and, if it is announced and so has
// read the epoch before, those that dead processes did not use. It reports whether
// w got one, now or before.
func (c *Cond) take(w *condWaiter, announced bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiters) > 0 && (c.useGrant() || announced && c.inherit()) {
		first := c.waiters[0]
		c.waiters = slices.Delete(c.waiters, 0, 1)
		first.notified = true
		first.wake()
	}
	return w.notified
}

// useGrant uses up one grant of this process.
func (c *Cond) useGrant() bool {
	mine := c.state.waiting.of(c.me)
	for { // again if the entry changed between Load and CompareAndSwap
		e := mine.Load()
		if granted, _ := condSplit(uint32(e)); granted == 0 {
			return false
		}
		if mine.CompareAndSwap(e, e-condGranted-condWaiting) {
			return true
		}
	}
}

// inherit turns a grant of a dead process into one of this process's own going on.
func (c *Cond) inherit() bool {
	for i := range c.state.waiting {
		of := &c.state.waiting[i]
		e := of.Load()
		granted, _ := condSplit(uint32(e))
		owner := entryOwner(e)
		if granted == 0 || owner == c.me || !ownerDead(c.d, owner) {
			continue
		}
		if of.CompareAndSwap(e, e-condGranted) {
			if !c.withdraw() && c.grant(1) > 0 { // it had a grant of its own by now
				c.state.notified.publish(everybody)
			}
			return true
		}
	}
	return false
}

// Close ends this process's view: everybody who waits through it, or ever will,
// gets ErrClosed. Others are not concerned, nor is the lock.
func (c *Cond) Close() error {
	c.gate.close()
	return nil
}

// String tells the lock and the number of waiters.
func (c *Cond) String() string {
	if c.gate.closed.Load() {
		return "Cond(closed)"
	}
	return fmt.Sprintf("Cond(%v, waiting=%d)", c.lock, c.Waiting())
}
