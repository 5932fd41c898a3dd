package ipc

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/spin"
	"github.com/mpgo/mp/internal/sys"
)

// A gate is where the goroutines of one process wait for one condition of one
// object: that a lock is free, that a ring holds a message. Each object has one
// gate per process and condition, on the Go heap.
//
// A goroutine goes through three stages, and leaves at the first success:
//
//  1. It spins, at most one of the process at a time and only as long as spinning
//     has lately paid at this gate, or until who was just woken should have come.
//  2. It queues. The queue is first come, first served, but whoever arrives may
//     still overtake it by a fast path or by spinning. Having queued it makes one
//     more attempt, see below.
//  3. The head of the queue is the leader. The leader alone sleeps in the kernel,
//     so ten thousand blocked goroutines hold one thread.
//
// The leader sleeps on three words at once: the object's word, the death epoch,
// and the gate's own bell, which cancellation and close ring. The round of the
// leader, and why no wake-up is lost in it:
//
//		(a) read bell and epoch
//		(b) try, announcing: the attempt fails and leaves a mark in the object's word,
//		    by which whoever changes the condition knows to wake; try reports the
//		    word's value with the mark in it
//		(c) leave if the context is done or the gate is closed
//		(d) sleep while word, epoch and bell all have the values of (a) and (b)
//
//	  - The condition changes after (b): the word changes with it, so (d) does not
//	    sleep; or the leader sleeps already, and the mark makes the changer wake it.
//	  - The changer is killed between its store and its wake-up: if its death was
//	    announced before (a), its store was before (b), which saw it. If after (a),
//	    the epoch differs from the one read, or its wake-up reaches the sleeper.
//	  - A leader is woken and killed before it used the wake-up: its own death
//	    raises the epoch, and everybody in all processes looks again.
//	  - A leader is woken and cancelled: it leaves at (c), so after a failed attempt
//	    which renewed the mark, and passes the wake-up on to another process. A
//	    closed gate makes no attempt, so it only passes the wake-up on.
//	  - The leader of a process leaves: it makes the next in the queue leader, who
//	    begins at (a), so whatever happened before is seen.
//
// A wake-up says nothing but "look again"; there may always be too many.
//
// What the goroutines of a gate wait for need not be the same, but whatever lets
// one that queues succeed must let the leader succeed first, if it happens after
// both have come. So those who wait for the next round of something may share a
// gate with those who wait for this one, because of the attempt after queuing; but
// not those who wait to be admitted with those who wait for them.
type gate struct {
	epoch *shared.Uint32 // the Domain's

	bell   shared.Uint32 // raised and woken to make the leader look again
	closed atomic.Bool   // set once; all who wait leave
	users  atomic.Int32  // goroutines inside wait

	spinning atomic.Bool  // one goroutine spins
	patience atomic.Int64 // ns that spinning may take; learnt, see spun
	spins    atomic.Uint32
	expected atomic.Int64 // until when who is waited for is on its way; see expect

	mu    sync.Mutex
	empty sync.Cond // signals users == 0 to close
	led   bool      // some goroutine is, or is about to be, the leader
	queue queue     // the others, when led
}

// An attempt tries once to get what the caller of wait wants, without blocking.
// If it fails it returns the word that changes before an attempt can succeed, and
// the value that word had when the attempt failed. With announce it first puts
// the mark into the word by which the word's changer knows that somebody sleeps.
// A final error is reported by done, in a variable of the caller.
type attempt = func(announce bool) (done bool, word *shared.Uint32, seen uint32)

func newGate(d Domain) *gate {
	g := &gate{epoch: d.Epoch()}
	g.empty.L = &g.mu
	g.patience.Store(int64(minPatience))
	return g
}

// wait blocks until try reports done. Otherwise it returns the context's error or
// ErrClosed, after an attempt that failed.
func (g *gate) wait(ctx context.Context, try attempt) error {
	g.enter()
	defer g.leave()
	if g.closed.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.spin(ctx, try) {
		return nil
	}
	if w := g.join(); w != nil {
		if done, _, _ := try(false); done {
			g.unqueue(w)
			return nil
		}
		if err := g.await(ctx, w); err != nil {
			return err
		}
		if g.spinOn(ctx, try) {
			g.pass()
			return nil
		}
	}
	return g.lead(ctx, try)
}

// close makes everybody who waits, or ever will, leave with ErrClosed, and
// returns when they have left.
func (g *gate) close() {
	g.closed.Store(true)
	g.ring()
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.users.Load() != 0 {
		g.empty.Wait()
	}
}

// waiting is the number of goroutines that are past spinning.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.queue.length
	if g.led {
		n++
	}
	return n
}

// enter and leave enclose whatever close has to wait for.
func (g *gate) enter() { g.users.Add(1) }

func (g *gate) leave() {
	if g.users.Add(-1) == 0 && g.closed.Load() {
		g.mu.Lock()
		g.empty.Broadcast()
		g.mu.Unlock()
	}
}

// ring makes the leader look again.
func (g *gate) ring() {
	g.bell.Add(1)
	futex.WakeAll(&g.bell)
}

// lead makes rounds until one succeeds. The caller is the leader and is none
// afterwards.
func (g *gate) lead(ctx context.Context, try attempt) error {
	defer g.pass()
	var slept *shared.Uint32
	for {
		bell, epoch := g.bell.Load(), g.epoch.Load()
		if g.closed.Load() {
			forward(slept)
			return ErrClosed
		}
		done, word, seen := try(true)
		if done {
			return nil
		}
		if err := ctx.Err(); err != nil {
			forward(word)
			return err
		}
		if slept == nil && ctx.Done() != nil {
			defer afterDone(ctx, g.ring)()
		}
		slept = word
		on := [...]sys.Futex{{Word: word, Val: seen}, {Word: g.epoch, Val: epoch}, {Word: &g.bell, Val: bell}}
		if err := futex.Wait(on[:], 0); err != nil {
			return err
		}
	}
}

// forward passes on a wake-up that a leaving leader may have received.
func forward(word *shared.Uint32) {
	if word != nil {
		futex.Wake(word, 1)
	}
}

// join makes the caller leader and returns nil, or queues it.
func (g *gate) join() *waiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.led {
		g.led = true
		return nil
	}
	w := &waiter{turn: make(chan struct{})}
	g.queue.push(w)
	return w
}

// await returns nil when it is w's turn to lead. A turn that comes at the moment
// of cancellation is accepted: lead then finds the context done and passes it on.
func (g *gate) await(ctx context.Context, w *waiter) error {
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.queue.remove(w) {
		return nil
	}
	return ctx.Err()
}

// unqueue takes w out of the queue, and if its turn to lead has come, passes.
func (g *gate) unqueue(w *waiter) {
	g.mu.Lock()
	queued := g.queue.remove(w)
	g.mu.Unlock()
	if !queued {
		g.pass()
	}
}

// pass ends the caller's leadership and gives it to the next in the queue.
func (g *gate) pass() {
	g.mu.Lock()
	w := g.queue.pop()
	g.led = w != nil
	g.mu.Unlock()
	if w != nil {
		close(w.turn)
	}
}

// The bounds of spinning. To sleep and be woken takes the sleeper 40 µs between two idle CPUs
// of a virtual machine, and the waker 15, so spinning longer than that does not pay, unless it
// is known who comes, see expect; a peer that is at work on the answer sends it within the
// lower bound.
const (
	minPatience = 2 * time.Microsecond
	maxPatience = 40 * time.Microsecond

	spinBurst  = 24 // attempts between two looks at the clock
	spinRounds = 2  // yields of a promoted leader before it spins
	probeEvery = 32 // every so many spins are as long as possible, to learn from
)

// wakeUp is how long it may take on a virtual machine until a process runs that was woken. It
// takes 40 µs; but a host that has put both CPUs of the machine on one of its own lets the
// woken one run only when the other one sleeps, until it finds out that both have work. That
// was seen to last longer than 400 µs.
const wakeUp = 2 * time.Millisecond

// expect says that somebody has just been woken that those at this gate may soon have to
// wait for. Who spins there does not sleep before that one had the time to come: two that
// go on in turns, where each takes less time for its work than the other to wake up, would
// both sleep every time.
// (Single messages of 64 bytes between two processes, passes of half a second in turns: 5.5 to
// 19 M/s with 100 µs, with up to 4,000 sleeps a second, and 17 to 30 with 2 ms.)
func (g *gate) expect() { g.expected.Store(int64(elapsed() + wakeUp)) }

// spin makes attempts for as long as they are likely to succeed. It does nothing
// with one CPU, or if another goroutine of the process spins at this gate.
func (g *gate) spin(ctx context.Context, try attempt) bool {
	if !spin.Worthwhile() || !g.spinning.CompareAndSwap(false, true) {
		return false
	}
	defer g.spinning.Store(false)
	patience := time.Duration(g.patience.Load())
	if g.spins.Add(1)%probeEvery == 0 {
		patience = maxPatience
	}
	return g.spinFor(try, patience) || g.spinExpecting(ctx, try)
}

// spinExpecting makes attempts until who was woken should have come. It lets that one have
// the CPU if it has no other.
func (g *gate) spinExpecting(ctx context.Context, try attempt) bool {
	for until := g.expected.Load(); int64(elapsed()) < until && !g.closed.Load() && ctx.Err() == nil; {
		for range spinBurst {
			if done, _, _ := try(false); done {
				return true
			}
			spin.Pause(1)
		}
		sys.Yield()
		runtime.Gosched()
	}
	return false
}

// spinOn is spin for a goroutine that has just been promoted: what it waits for
// is often in the hands of the goroutine that promoted it, so it yields to that
// even with one CPU.
func (g *gate) spinOn(ctx context.Context, try attempt) bool {
	for range spinRounds {
		if done, _, _ := try(false); done {
			return true
		}
		runtime.Gosched()
	}
	return g.spin(ctx, try)
}

func (g *gate) spinFor(try attempt, patience time.Duration) bool {
	var begin time.Duration
	for {
		for range spinBurst {
			if done, _, _ := try(false); done {
				g.spun(true)
				return true
			}
			spin.Pause(1)
		}
		now := elapsed()
		if begin == 0 {
			begin = now
		}
		took := now - begin
		if took >= patience || g.closed.Load() {
			g.spun(false)
			return false
		}
		if took > 2*minPatience {
			sys.Yield() // who is waited for may have no other CPU
		}
		runtime.Gosched()
	}
}

// spun learns from one spinning: a success doubles the patience, a failure halves it. What
// counts is how often spinning pays, and not how little would have been enough the last times:
// where messages come in a stream with gaps, which the other side's interrupts make, it pays
// to wait through a gap.
func (g *gate) spun(success bool) {
	now := time.Duration(g.patience.Load())
	next := max(now/2, minPatience)
	if success {
		next = min(2*now, maxPatience)
	}
	if next != now {
		g.patience.Store(int64(next))
	}
}
