package mp

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// A task is what a pool gives to a worker at a time: one or more elements, each the
// input of one call of the same function. It is encoded, so that the ledger and the
// workers need not know its types.
//
// Its elements are done one after the other. A task can be split between two of
// them; the parts share the body.
type task struct {
	job   *job
	first int // of its elements, in the job
	skip  int // elements of the body before them
	count int // elements

	name   string // of the function
	typ    uint32
	result int         // of which each result has so many bytes, see function; or -1
	body   []byte      // if it is inline, see request
	parcel *shm.Object // else; held until the task is done
	ref    [shm.RefSize]byte

	together bool // whoever waits for its answers wants all of them, and it takes no time

	// Guarded by the ledger's mutex.
	number uint32 // of the first element, for the worker that has the task
	done   int    // elements that are answered or failed
	deaths int    // of workers that had begun its first element
	parts  bool   // it was split, so another task has its body, too
}

// at is the number of its first element that is not answered.
func (t *task) at() uint32 { return t.number + uint32(t.done) }

// split cuts t before its element at, and returns the rest as a task of its own.
func (t *task) split(at int) *task {
	t.sharePart()
	rest := *t
	rest.first += at
	rest.skip += at
	rest.count -= at
	rest.done, rest.deaths = 0, 0
	if rest.parcel != nil {
		rest.parcel.Hold()
	}
	t.count = at
	return &rest
}

// sharePart makes t one that has no body of its own.
func (t *task) sharePart() {
	t.job.bytes -= t.size()
	t.parts = true
}

// release gives the body back, when the task is done or dropped.
func (t *task) release() {
	t.job.bytes -= t.size()
	if t.parcel != nil {
		t.parcel.Close()
		t.parcel = nil
	}
	if !t.parts && !t.job.once {
		t.job.spare = append(t.job.spare, t)
	}
}

// size is what counts as the memory that the task takes: a part has none of its own.
func (t *task) size() int {
	switch {
	case t.parts:
		return 0
	case t.parcel != nil:
		return len(t.parcel.Bytes())
	}
	return len(t.body)
}

// blame is the error of an element whose worker died, which is told in general.
func (t *task) blame(died error) error {
	e := new(WorkerDiedError)
	if !errors.As(died, &e) {
		return died
	}
	own := *e
	own.Func, own.Attempt = t.name, t.deaths
	return &own
}

// request is the message that gives the task to a worker.
func (t *task) request(number uint32) request {
	r := request{number: number, skip: uint32(t.skip), count: uint32(t.count), typ: t.typ, how: howInline, body: t.body}
	if t.parcel != nil {
		r.how, r.body = howParcel, t.ref[:]
	}
	if t.together {
		r.how |= howTogether
	}
	return r
}

// A loader makes tasks of inputs.
type loader[In, Out any] struct {
	f       *Func[In, Out]
	body    []byte
	handles []wire.Handle
	count   int
}

// errLongArgument is about what no body can hold.
var errLongArgument = fmt.Errorf("an argument of 4 GiB or more: %w", ErrTooLarge)

// flat reports whether several inputs can be added at once.
func (l *loader[In, Out]) flat() bool { return l.f.in.Stride() >= 0 }

// addAll encodes more inputs, if the loader is flat.
func (l *loader[In, Out]) addAll(in []In) {
	l.body = l.f.in.AppendAll(l.body, in)
	l.count += len(in)
}

// add encodes one more input. After an error the loader is as before.
func (l *loader[In, Out]) add(in In) error {
	if l.flat() {
		l.addAll([]In{in})
		return nil
	}
	body, at := appendElement(l.body)
	body, err := l.f.in.Append(body, in)
	if err == nil && !endElement(body, at) {
		err = errLongArgument
	}
	l.body = body[:len(l.body)]
	if err != nil {
		return fmt.Errorf("mp: call %q: %w", l.f.name, err)
	}
	l.body = body
	l.count++
	l.handles = l.f.in.AppendHandles(l.handles, in)
	return nil
}

// load fills t with what was added, and empties the loader. Nothing of it is lost if
// the inputs are freed now, even by a worker that has not opened it.
func (l *loader[In, Out]) load(t *task) error {
	t.name, t.typ, t.count, t.result = l.f.name, l.f.typ(), l.count, l.f.out.Stride()
	if len(t.name) > inlineLimit {
		return fmt.Errorf("mp: call: the function's name has %d bytes; give it a shorter one: %w", len(t.name), ErrTooLarge)
	}
	defer func() {
		clear(l.handles)
		l.body, l.handles, l.count = l.body[:0], l.handles[:0], 0
		if cap(l.body) > 4*inlineLimit {
			l.body = nil
		}
	}()
	if len(l.handles) == 0 && len(l.body) <= inlineLimit {
		t.body = append(t.body[:0], l.body...)
		return nil
	}
	a, err := arena()
	if err == nil {
		t.parcel, err = parcelOf(a, l.body, l.handles)
	}
	runtime.KeepAlive(l.handles)
	if err != nil {
		return fmt.Errorf("mp: call %q: %w", l.f.name, err)
	}
	_, _ = t.parcel.Ref().AppendBinary(t.ref[:0]) // in place: there is room
	return nil
}

// A queue of tasks, first in, first out; its zero value is empty.
type taskQueue struct {
	list []*task
	head int
}

func (q *taskQueue) length() int { return len(q.list) - q.head }

func (q *taskQueue) first() *task { return q.list[q.head] }

func (q *taskQueue) all() []*task { return q.list[q.head:] }

func (q *taskQueue) push(t *task) {
	if q.head > 64 && q.head > len(q.list)/2 { // rather than let it creep through memory
		n := copy(q.list, q.all())
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, t)
}

func (q *taskQueue) pop() *task {
	t := q.list[q.head]
	q.list[q.head] = nil
	if q.head++; q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
	return t
}

// pushFront puts tasks before all others, in their order.
func (q *taskQueue) pushFront(tasks []*task) {
	if len(tasks) > 0 {
		q.list, q.head = slices.Concat(tasks, q.all()), 0
	}
}

// keep drops all tasks but those that wanted wants.
func (q *taskQueue) keep(wanted func(*task) bool) {
	all := q.all()
	kept := slices.DeleteFunc(all, func(t *task) bool { return !wanted(t) })
	q.list = q.list[:q.head+len(kept)]
}

// cut leaves the first n tasks.
func (q *taskQueue) cut(n int) {
	clear(q.list[q.head+n:])
	q.list = q.list[:q.head+n]
}
