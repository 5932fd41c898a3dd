package mp

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A poolLedger is what a pool knows of its tasks: which of them wait for a worker, and
// which each worker has. It lies on the parent's heap; a worker knows what it reads
// from its stream and which of that it may begin.
//
// # The way of a task
//
//	          dispatch            Claim             reply
//	backlog ───────────▶ worker ────────▶ begun ───────────▶ delivered
//	   ▲                    │               │
//	   └──── TakeBack ──────┘               └── death ──▶ WorkerDiedError, or retried
//
// A worker does its tasks one element after the other, in the order in which it got
// them, and answers in the same order. So what a worker has is a queue, its fifo, and
// each answer belongs to the element at its head. Several tasks lie in the worker's
// stream at a time: no round trip passes between two of them.
//
// # Invariants, whenever mu is free
//
//  1. Each element that was taken in and is not delivered is in the backlog or in the
//     fifo of exactly one worker, once. inflight is how many there are.
//  2. Of the elements in a fifo, those numbered below claims.Next() were begun. All
//     of them but the last are answered, maybe not sent or not read yet.
//  3. What is void in a worker's stream, see ipc.Claims, is in no fifo. A limited
//     worker, from which tasks were taken back, gets no new ones until its fifo is
//     empty.
//  4. If inflight or starting is not 0, somebody will read the answers: the clerk is active,
//     somebody attends, or the watchdog is armed.
//
// # A worker's death
//
// The driver of the worker's place, who has the proof of its death, reads what it had
// answered (bury). Then of its fifo the first element either is numbered below
// claims.Next(): it was running; or not: none was. Nothing else was begun, and all of
// it goes back to the front of the backlog.
//
//	killed before the CAS of Claim      the element goes to another worker
//	after it, before it is answered     it was running: it alone fails, or is retried
//	after that                          it is answered
//
// It is answered when the reply is committed, or, if answers go together, when the
// next element is claimed, see bundle.
//
// # Taking back
//
// Tasks that wait behind a long one do not wait long: whoever finds nothing to do but
// a worker without tasks takes half of what another one has not begun, by one CAS on
// that worker's claims (balance). It does so only when that other worker has answered
// nothing for a moment, or before going to sleep: while tasks are short it would cost
// more than it helps.
//
// # Who does the work
//
// All of this is done under mu by whoever has a reason: a caller that hands in a
// task writes it into a worker's stream itself, and reads answers, those of others
// too, while it spins for its own. So a call costs no switch of goroutines, and a map
// is one loop. Callers that have waited for some time in vain park, and leave the
// reading to the clerk, a goroutine of the pool, which alone ever sleeps in the
// kernel, for all workers at once. Nothing under mu blocks, but for the moment that it takes
// another goroutine to give an object back that a worker sends just then.
type poolLedger struct {
	grace   time.Duration // for tasks that nobody wants any more
	retries int           // how often an element whose worker died is tried again
	timeout time.Duration // for an element; 0 for none
	atLeast time.Duration // how long who waits for an answer spins at least

	lookout *ipc.Lookout
	clerk   chan struct{} // wakes the clerk
	ended   chan struct{} // closed when the clerk shall end
	wanted  chan struct{} // calls for a worker at a vacant place

	mu       sync.Mutex
	places   int       // how many workers there are to be
	vacant   int       // places without a worker for want of work
	workers  []*worker // that are alive, or whose death is not settled yet
	readers  []*ipc.StreamReader
	turn     int // where pick looks first
	backlog  taskQueue
	inflight int
	starting int       // workers that have not said yet that they are ready
	closed   error     // why no more tasks are taken in
	over     bool      // and the workers leave
	quiet    sync.Cond // inflight became 0

	attending int  // goroutines that will collect again, or leave
	spinning  bool // one of them spins
	active    bool // the clerk collects, or is about to
	patience  time.Duration
	watchdog  *time.Timer
	armed     bool // the watchdog will look

	counts PoolStats // all but Workers
	nobody job       // of what is only waited for to be over
}

func newLedger(d ipc.Domain) *poolLedger {
	l := &poolLedger{
		lookout:  ipc.NewLookout(d),
		clerk:    make(chan struct{}, 1),
		ended:    make(chan struct{}),
		wanted:   make(chan struct{}, shm.MaxProcesses),
		patience: minPatience,
	}
	l.quiet.L = &l.mu
	l.nobody = job{over: true, once: true}
	l.armed = true // as the watchdog is when it is made
	l.watchdog = time.AfterFunc(watchEvery, l.check)
	return l
}

// A job is what somebody waits for: a call, or the calls of a map.
type job struct {
	sink sink
	once bool // from the start: there is one element, so news stays and wake is closed

	// Guarded by the ledger's mutex.
	over bool          // nobody wants what is still to come
	news bool          // something came; of a map, reset by who looks
	wake chan struct{} // made by the first that parks; of a map, it has room for one
	idle bool          // of a map: who waits has parked

	spare []*task // of a map, done and free for another use
	bytes int     // of a map, in the bodies of what is not done
}

// channel is where news is told.
func (j *job) channel() chan struct{} {
	if j.wake == nil {
		j.wake = make(chan struct{}, 1)
		if j.news && j.once {
			close(j.wake)
		}
	}
	return j.wake
}

// tell notes that there is news.
func (j *job) tell() {
	j.news = true
	switch {
	case j.wake == nil:
	case j.once:
		close(j.wake)
	case j.idle:
		j.idle = false
		select {
		case j.wake <- struct{}{}:
		default: // it was told before, and had not listened
		}
	}
}

// A sink takes what the elements of a job come to. take is called once for each
// element unless the job is over, or once for several that follow each other if their
// task is together; with the ledger's mutex held, so it must not block or run the user's
// code.
type sink interface{ take(index int, a arrival) }

// An arrival is what became of an element: an error, or an answer.
type arrival struct {
	answer []byte      // valid until take returns, or, with a parcel, until that is closed
	run    int         // if not 0, answer is the results, and no more, of so many elements from that one on
	parcel *shm.Object // that the answer lies in, or nil; the sink's
	object *shm.Object // that it speaks of, or nil; the sink's
	err    error
}

// elements is how many it is about.
func (a *arrival) elements() int { return max(1, a.run) }

// keep makes the answer last, with its bytes in memory of the caller's if they have room.
func (a arrival) keep(memory []byte) arrival {
	if a.parcel == nil && a.answer != nil {
		a.answer = append(memory[:0], a.answer...)
	}
	return a
}

// holds reports whether there is something to close.
func (a arrival) holds() bool { return a.parcel != nil || a.object != nil }

// close gives back what it is the sink's to give back.
func (a arrival) close() {
	for _, o := range [...]*shm.Object{a.parcel, a.object} {
		if o != nil {
			o.Close()
		}
	}
}

// submit takes a task in. The caller holds mu.
func (l *poolLedger) submit(t *task) error {
	if l.closed != nil {
		t.release()
		if errors.Is(l.closed, ErrPoolClosed) {
			return fmt.Errorf("mp: call %q: %w", t.name, l.closed)
		}
		return l.closed // which tells more about itself
	}
	l.inflight += t.count
	l.counts.Tasks += t.count
	if l.backlog.length() == 0 && l.give(t) {
		return nil
	}
	l.backlog.push(t)
	return nil
}

// deliver tells what an element came to, or a run of them. mu is held.
func (l *poolLedger) deliver(t *task, index int, a arrival) {
	n := a.elements()
	if l.inflight -= n; l.inflight == 0 {
		l.quiet.Broadcast()
	}
	if a.err != nil {
		l.counts.Failed += n
	} else {
		l.counts.Done += n
	}
	j := t.job
	if j.over {
		a.close()
		return
	}
	j.sink.take(index, a)
	j.tell()
}

// drop forgets the elements of t that are not delivered: their job is over.
func (l *poolLedger) drop(t *task) {
	if l.inflight -= t.count - t.done; l.inflight == 0 {
		l.quiet.Broadcast()
	}
	t.release()
}

// fail delivers an error for all elements of t that are left.
func (l *poolLedger) fail(t *task, err error) {
	for ; t.done < t.count; t.done++ {
		l.deliver(t, t.first+t.done, arrival{err: err})
	}
	t.release()
}

// dispatch gives out the backlog as far as the workers have room. mu is held.
func (l *poolLedger) dispatch() {
	for l.backlog.length() > 0 {
		t := l.backlog.first()
		if t.job.over {
			l.drop(l.backlog.pop())
			continue
		}
		if !l.give(t) {
			return
		}
		l.backlog.pop()
	}
}

// give gives t to the worker that has least to do, if any has room for it.
func (l *poolLedger) give(t *task) bool {
	for {
		w := l.pick()
		if (w == nil || w.load > 0) && l.vacant > 0 {
			select {
			case l.wanted <- struct{}{}:
			default: // enough have been called
			}
		}
		if w == nil {
			return false
		}
		if w.give(t) {
			return true
		}
		w.full = true // pick another one
	}
}

// pick is the worker that has least to do, or nil.
func (l *poolLedger) pick() *worker {
	var best *worker
	for i := range l.workers {
		w := l.workers[(l.turn+i)%len(l.workers)]
		if !w.open() {
			continue
		}
		if best == nil || w.burden() < best.burden() || best.suspected() {
			if best = w; w.burden() == 0 && !w.suspected() {
				l.turn = (l.turn + i + 1) % len(l.workers)
				break
			}
		}
	}
	return best
}

// collect reads what the workers have answered, and gives out more. It returns how
// many answers there were. mu is held.
func (l *poolLedger) collect() int {
	n := 0
	for _, w := range l.workers {
		if w.load > 0 || !w.up {
			n += w.collect()
		}
	}
	if n > 0 {
		l.dispatch()
	}
	return n
}

// How long a worker must have answered nothing before others take over what it has not
// begun.
const (
	stalled = 5 * time.Microsecond // if it is at work on something
	overdue = time.Millisecond     // if it has begun nothing: to wake up takes its time

	suspected = 100 * time.Millisecond // a worker that was late gets nothing if others can
)

// balance gives to workers that have nothing to do what others have not begun and
// will not soon: those that have answered nothing for that long. mu is held.
func (l *poolLedger) balance(now, since time.Duration) {
	if l.backlog.length() > 0 {
		l.dispatch()
	}
	for l.backlog.length() == 0 && l.hasIdle(now) {
		w, most := (*worker)(nil), uint32(0)
		for _, v := range l.workers {
			if n := l.spareable(v, now, since); n > most {
				w, most = v, n
			}
		}
		if w == nil {
			return
		}
		if most == uint32(w.load) && w.up {
			w.suspect = now + suspected
		}
		l.takeBack(w, most/2)
		l.dispatch()
	}
}

// hasIdle reports whether a worker could begin a task at once. If one could but is
// suspected, the watchdog will ask again: else all might sleep, and what an older
// suspect has would wait for it.
func (l *poolLedger) hasIdle(now time.Duration) bool {
	for _, w := range l.workers {
		if w.load > 0 || !w.up || !w.open() {
			continue
		}
		if w.suspect <= now {
			return true
		}
		l.arm(w.suspect - now)
	}
	return false
}

// spareable is how many elements of a worker others may take a part of. If that has
// to be asked again, the watchdog will.
func (l *poolLedger) spareable(w *worker, now, since time.Duration) uint32 {
	if w.load == 0 || w.quietFor(now) < since {
		return 0
	}
	w.notice(now)
	quiet := w.quietFor(now)
	if quiet < since {
		return 0
	}
	n := w.unbegun()
	if n == uint32(w.load) && w.up && quiet < overdue {
		l.arm(overdue)
		return 0
	}
	return n
}

// takeBack puts what the worker has not begun to the front of the backlog, except the
// first keep elements, and drops what nobody wants any more. mu is held.
func (l *poolLedger) takeBack(w *worker, keep uint32) {
	back := w.takeBack(keep)
	back = slices.DeleteFunc(back, func(t *task) bool {
		if t.job.over {
			l.drop(t)
		}
		return t.job.over
	})
	l.backlog.pushFront(back)
}

// giveUp ends a job: what is not begun of it never will be, and what is running is
// told so. mu is held.
func (l *poolLedger) giveUp(j *job) {
	if j.over {
		return
	}
	j.over = true
	l.backlog.keep(func(t *task) bool {
		if t.job == j {
			l.drop(t)
		}
		return t.job != j
	})
	for _, w := range l.workers {
		if slices.ContainsFunc(w.fifo.all(), func(t *task) bool { return t.job == j }) {
			l.takeBack(w, 0)
			w.endUnwanted()
		}
	}
	l.dispatch()
}

// failAll fails all that was taken in with why, and takes nothing in any more. mu is
// held.
func (l *poolLedger) failAll(why error) {
	if l.closed == nil {
		l.closed = why
	}
	for _, w := range l.workers {
		l.backlog.pushFront(w.takeBack(0))
		for _, t := range w.fifo.all() {
			l.abandon(t, why)
		}
	}
	for l.backlog.length() > 0 {
		l.fail(l.backlog.pop(), why)
	}
}

// abandon fails what is left of a task that a worker is doing; the worker's answers
// will be nobody's. mu is held.
func (l *poolLedger) abandon(t *task, why error) {
	if t.job == &l.nobody {
		return
	}
	left := t.count - t.done
	l.inflight += left
	for i := range left {
		l.deliver(t, t.first+t.done+i, arrival{err: why})
	}
	t.sharePart()
	t.job = &l.nobody
}

// bury settles what a dead worker leaves. The proof of its death was found before.
func (l *poolLedger) bury(w *worker, died error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.collect()
	if err := w.salvage(); err != nil {
		died = fmt.Errorf("%w: %w", err, died)
	}
	l.workers = slices.DeleteFunc(l.workers, func(v *worker) bool { return v == w })
	l.listReaders()
	victim := w.victim()
	back := slices.Clone(w.fifo.all())
	w.fifo, w.load = taskQueue{}, 0
	if victim != nil && l.again(victim) {
		back = append([]*task{victim}, back...)
	} else if victim != nil {
		l.fail(victim, victim.blame(died))
	}
	l.backlog.pushFront(back)
	w.close()
	w.leftEarly()
	l.dispatch()
	l.settled()
}

// again reports whether the element that a dead worker was at is tried again.
func (l *poolLedger) again(t *task) bool {
	t.deaths++
	return t.deaths <= l.retries && !t.job.over && l.closed == nil
}

// join adds a worker. mu is held.
func (l *poolLedger) join(w *worker) {
	l.workers = append(l.workers, w)
	l.starting++
	l.listReaders()
	if l.over {
		w.dismissed = true
		w.leave()
	}
	l.dispatch()
	l.settled()
}

// listReaders says anew what the clerk sleeps on.
func (l *poolLedger) listReaders() {
	l.readers = l.readers[:0]
	for _, w := range l.workers {
		l.readers = append(l.readers, w.answers)
	}
	l.lookout.Wake()
}
