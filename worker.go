package mp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A worker is what the ledger knows of one worker: its ends of the link and what it
// has to do. Everything is guarded by the ledger's mutex but what is said to be from
// the start.
type worker struct {
	ledger *poolLedger // from the start
	staff  staff       // from the start
	arena  *shm.Arena  // from the start
	link   *shm.Object // from the start: what the streams lie in; nil if that is no block

	claims   *ipc.Claims
	requests *ipc.StreamWriter
	answers  *ipc.StreamReader
	slate    []byte // see bundle; nil if it may not be read even if the worker is gone

	fifo taskQueue // what it has: begun or not, and not answered
	load int       // elements of it
	next uint32    // number of the next element it gets
	end  uint32    // number after the last one that it may begin: next, unless it is limited

	limited   bool // tasks were taken back, see ipc.Claims
	full      bool // its stream has no room; until it answers
	up        bool // it is ready for tasks
	dismissed bool // it gets none any more, and ends when it has done what it has
	left      bool // it was told to end
	spared    bool // for want of work
	broken    error

	suspect time.Duration // until when; it did not begin what it had
	useful  bool          // it has begun a task
	since   time.Duration // when it last answered or was seen to begin something, or got something to do
	noticed uint32        // what it would begin next, when somebody looked
	given   int           // elements it ever got
	quota   int           // how many it may get; 0 for any number

	interrupted uint32 // number of the element that it was told to end, if asked
	asked       bool
	timer       *time.Timer // for the timeout of elements; nil if there is none

	ready chan struct{} // closed when it is up or gone
	sick  error         // its initializer's error; written before ready is closed
}

// A staff is who does a worker's work: a process, or a goroutine.
type staff interface {
	cancel(number uint32) // the context of an element
	cancelAll()           // its context
	kill()
	gone() <-chan struct{}
	death() error  // the error of a call that it was at when it died
	ending() error // how it ended
}

// maxAhead bounds how many tasks lie in a worker's stream.
const maxAhead = 512

// newWorker makes the parent's ends of the link in m.
func newWorker(l *poolLedger, a *shm.Arena, m *linkMemory, s staff) (*worker, error) {
	w := &worker{ledger: l, staff: s, arena: a, claims: m.claims, slate: m.slate, ready: make(chan struct{})}
	var err error
	if w.requests, err = ipc.OpenWriter(a, m.requests); err != nil {
		return nil, err
	}
	w.answers, err = ipc.OpenReader(a, m.answers)
	return w, err
}

// open reports whether the worker takes tasks.
func (w *worker) open() bool {
	switch {
	case w.dismissed || w.broken != nil || w.full || w.fifo.length() >= maxAhead:
		return false
	case w.quota > 0 && w.given >= w.quota:
		return false
	}
	return !w.limited || w.load == 0
}

// burden is what makes others preferable: what it has to do, and if it is not up yet.
func (w *worker) burden() int {
	if w.up {
		return w.load
	}
	return w.load + 1
}

// suspected reports whether the worker was late to begin what it had, a moment ago: it
// may be stopped.
func (w *worker) suspected() bool { return w.suspect != 0 && now() < w.suspect }

// give writes t into the worker's stream, if there is room.
func (w *worker) give(t *task) bool {
	if w.quota > 0 && w.quota-w.given < t.count {
		w.quota = w.given + t.count // the last one; a task is not split for this
	}
	if w.limited {
		w.claims.Reopen(w.next)
		w.limited = false
	}
	r := t.request(w.next)
	b, err := w.requests.TryClaim(r.size(t.name))
	if err != nil {
		return false
	}
	r.put(b, t.name)
	w.requests.Commit(len(b)) // passes the task to the worker
	if w.load == 0 {
		w.since = now()
		w.arm(w.ledger.timeout)
	}
	t.number, t.done = w.next, 0
	w.next += uint32(t.count)
	w.end = w.next
	w.given += t.count
	w.load += t.count
	w.fifo.push(t)
	return true
}

// collect reads what the worker has answered, and returns how many answers there
// were.
func (w *worker) collect() (n int) {
	for w.broken == nil {
		b, err := w.answers.TryTake()
		if err != nil {
			if err != ipc.ErrEmpty && !errors.Is(err, io.EOF) {
				w.breakOff(err)
			}
			break
		}
		if err := w.read(b); err != nil {
			w.breakOff(err)
			break
		}
		w.answers.Release()
		n++
	}
	if n > 0 {
		w.full, w.suspect = false, 0
		w.since = now()
		if w.load > 0 {
			w.arm(w.ledger.timeout)
		}
		w.endUnwanted()
		w.leave()
	}
	return n
}

// read takes in one reply.
func (w *worker) read(b []byte) error {
	r, err := parseReply(b)
	if err != nil {
		return err
	}
	if r.how == howBundle {
		return w.readBundle(r)
	}
	a := arrival{answer: r.content}
	switch r.kind() {
	case howParcel:
		a.parcel, a.answer, a.err = openParcel(w.arena, r.content)
	case howTied:
		a.object, a.err = w.openTied(r.object)
	}
	if r.how&howReady != 0 {
		w.welcome(a.answer)
		a.close()
		return nil
	}
	if err := w.settle(r.number, a); err != nil {
		a.close()
		return err
	}
	if r.how&howTired != 0 {
		w.retire()
	}
	return nil
}

// openTied opens the object that an answer speaks of.
func (w *worker) openTied(r shm.Ref) (*shm.Object, error) {
	if w.link == nil {
		return nil, fmt.Errorf("mp: an answer tied to no link: %w", shm.ErrDamaged)
	}
	return w.link.OpenTied(r)
}

// settle delivers what the element of that number came to, or a run of them.
func (w *worker) settle(number uint32, a arrival) error {
	t, err := w.answered(number, a.elements())
	if err != nil {
		return err
	}
	index := t.first + t.done
	t.done += a.elements()
	w.load -= a.elements()
	w.useful = true
	if t.done == t.count {
		w.fifo.pop()
		t.release()
	}
	w.ledger.deliver(t, index, a)
	return nil
}

// answered is the task that so many elements are of, which must be the next.
func (w *worker) answered(number uint32, count int) (*task, error) {
	if w.fifo.length() == 0 {
		return nil, fmt.Errorf("mp: an answer that nobody asked for: %w", shm.ErrDamaged)
	}
	t := w.fifo.first()
	if number != t.at() {
		return nil, fmt.Errorf("mp: the answer %d instead of %d: %w", number, t.at(), shm.ErrDamaged)
	}
	if count > t.count-t.done {
		return nil, fmt.Errorf("mp: %d answers instead of %d: %w", count, t.count-t.done, shm.ErrDamaged)
	}
	return t, nil
}

// welcome is told that the worker is ready, or why it is not.
func (w *worker) welcome(answer []byte) {
	if w.up || w.sick != nil {
		return
	}
	if err := answerErr("the pool's initializer", answer); err != nil {
		w.sick = err
		w.dismissed = true
	} else {
		w.up = true
	}
	w.ledger.starting--
	close(w.ready)
}

// breakOff gives a worker up that writes what no worker writes.
func (w *worker) breakOff(err error) {
	w.broken = err
	w.staff.kill()
}

// unbegun is how many elements the worker may still begin.
func (w *worker) unbegun() uint32 {
	if n := w.end - w.claims.Next(); n <= uint32(w.load) {
		return n
	}
	return 0 // a worker may write anything there
}

// takeBack takes back what the worker has not begun, except the first keep elements.
func (w *worker) takeBack(keep uint32) (back []*task) {
	if w.load == 0 {
		return nil
	}
	from := w.claims.TakeBack(keep) // claims all from there on
	w.limited = true
	if t := w.fifo.first(); int32(from-t.number) < int32(t.done) {
		w.breakOff(fmt.Errorf("mp: a worker that has not begun what it has answered: %w", shm.ErrDamaged))
		return nil
	}
	if int32(from-w.end) >= 0 {
		return nil // it was quicker
	}
	w.end = from
	kept := w.fifo.length()
	for kept > 0 {
		t := w.fifo.all()[kept-1]
		stays := int(int32(from - t.number)) // elements of t that stay
		if stays >= t.count {
			break
		}
		if stays > 0 {
			t = t.split(stays)
		} else {
			kept--
		}
		w.load -= t.count
		w.given -= t.count
		back = append(back, t)
	}
	w.fifo.cut(kept)
	if kept > 0 {
		if t := w.fifo.first(); t.done == t.count { // it was cut where the worker is
			w.fifo.pop()
			t.release()
		}
	}
	slices.Reverse(back)
	return back
}

// running is the element of its first task that the worker is at, if it is at one.
func (w *worker) running() (number uint32, ok bool) {
	if w.fifo.length() == 0 {
		return 0, false
	}
	t := w.fifo.first()
	number = w.claims.Next() - 1 // all before it are answered
	return number, number-t.at() < uint32(t.count-t.done)
}

// victim takes the element that the dead worker was at out of its fifo, or is nil. What
// is left there was not begun. It is several elements if the answers to all but the
// last cannot be read.
func (w *worker) victim() *task {
	if w.fifo.length() == 0 {
		return nil
	}
	t := w.fifo.pop()
	begun := int(int32(w.claims.Next() - t.at()))
	if t.done > 0 {
		rest := t.split(t.done)
		t.release()
		t = rest
	}
	if begun <= 0 {
		w.fifo.pushFront([]*task{t})
		return nil
	}
	w.useful = true
	if t.count > begun {
		w.fifo.pushFront([]*task{t.split(begun)})
	}
	return t
}

// endUnwanted tells the worker to end what it is at, if nobody wants that any more,
// and kills it if it does not within the grace.
func (w *worker) endUnwanted() {
	if w.fifo.length() == 0 || !w.fifo.first().job.over {
		return
	}
	number, ok := w.running()
	if !ok || w.asked && w.interrupted == number {
		return
	}
	w.interrupted, w.asked = number, true
	w.staff.cancel(number)
	time.AfterFunc(w.ledger.grace, func() {
		w.ledger.mu.Lock()
		defer w.ledger.mu.Unlock()
		if at, ok := w.running(); ok && at == number {
			w.staff.kill()
		}
	})
}

// arm sets the timer for the element that the worker is at now.
func (w *worker) arm(timeout time.Duration) {
	switch {
	case timeout == 0:
	case w.timer == nil:
		w.timer = time.AfterFunc(timeout, w.expire)
	default:
		w.timer.Reset(timeout)
	}
}

// expire fails the element that the worker is at, if it has been that for too long.
func (w *worker) expire() {
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.collect(); w.load == 0 {
		return
	}
	if left := l.timeout - w.quietFor(now()); left > 0 {
		w.arm(left)
		return
	}
	if _, running := w.running(); !running {
		w.arm(l.timeout) // it is not up yet
		return
	}
	l.takeBack(w, 0)
	t := w.fifo.first()
	l.abandon(t, fmt.Errorf("mp: call %q: it took longer than %v: %w", t.name, l.timeout, context.DeadlineExceeded))
	w.endUnwanted()
	l.dispatch()
}

// retire gives the worker no more tasks, and ends it when it has done what it has
// begun.
func (w *worker) retire() {
	w.dismissed = true
	w.ledger.takeBack(w, 0)
	w.leave()
}

// leave ends the worker if it is dismissed and has nothing to do.
func (w *worker) leave() {
	if w.quota > 0 && w.given >= w.quota {
		w.dismissed = true
	}
	if w.dismissed && w.load == 0 && !w.left {
		w.left = true
		_ = w.requests.Close() // the end of its stream is the end of its work
		time.AfterFunc(w.ledger.grace, w.staff.kill)
	}
}

// stop ends the worker, also if it is at work.
func (w *worker) stop() {
	w.dismissed = true
	w.staff.cancelAll()
	time.AfterFunc(w.ledger.grace, w.staff.kill)
	w.leave()
}

// notice looks whether the worker has begun anything since the last look.
func (w *worker) notice(now time.Duration) {
	if next := w.claims.Next(); next != w.noticed {
		w.noticed, w.since = next, now
	}
}

// quietFor is how long the worker has answered nothing.
func (w *worker) quietFor(now time.Duration) time.Duration { return now - w.since }

// close gives the link up, when the worker is gone.
func (w *worker) close() {
	if w.timer != nil {
		w.timer.Stop()
	}
	_ = w.requests.Close()
	_ = w.answers.Close()
}

// leftEarly settles that the worker is gone before it was ready.
func (w *worker) leftEarly() {
	if w.sick == nil && !w.up {
		w.ledger.starting--
		close(w.ready)
	}
}

// begun is where time counts from.
var begun = time.Now()

// now is a reading of the monotonic clock.
func now() time.Duration { return time.Since(begun) }
