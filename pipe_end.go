package mp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A pipeEnd is what all handles of a process to one end of a pipe share, apart from
// the type of its messages.
//
// Its life in the process: away ─claim─▶ here ─leave─▶ away, or ─close─▶ closed.
// In between nobody uses its streams: to leave and to close take the batons of both
// directions for good, after they have interrupted whoever waits in them.
type pipeEnd struct {
	pipe  *shm.Object
	side  uint32
	limit uint64
	plain int // length of the messages, if each is a record as it is; or -1
	out   outlet
	in    inlet

	mu    sync.Mutex // guards state, and what only its changes write
	state endState
}

// An outlet is the sending direction. Its baton guards the use of w, but for Push
// and its steps (ipc.Favoured).
type outlet struct {
	baton baton
	w     atomic.Pointer[ipc.StreamWriter]
	mem   []byte // nil if the pipe goes the other way
	most  int    // bytes of a message in the stream
}

// An inlet is the receiving direction. Its baton guards the use of r, but for Pull
// and its steps, and what makes r a Source.
type inlet struct {
	baton baton
	r     atomic.Pointer[ipc.StreamReader]
	mem   []byte // nil if the pipe goes the other way
}

type endState int

const (
	endAway   endState = iota // another process's, or under way
	endHere                   // this process's
	endClosed                 // by this process
)

// init makes e an end that is not here yet.
func (e *pipeEnd) init(pipe *shm.Object, side uint32, m pipeMemory, fixed int) {
	e.pipe, e.side, e.limit, e.plain = pipe, side, m.limit, -1
	if fixed <= m.most && uint64(max(fixed, 0)) <= m.limit {
		e.plain = fixed
	}
	e.out.mem, e.out.most, e.in.mem = m.out, m.most, m.in
	e.out.baton.nudge = make(chan struct{}, 1)
	e.in.baton.nudge = make(chan struct{}, 1)
}

// claim makes the end this process's. The error is ErrClosed if it was closed,
// ipc.ErrEndTaken if another live process has it.
func (e *pipeEnd) claim() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch e.state {
	case endHere:
		return nil // through another handle
	case endClosed:
		return ErrClosed
	}
	w, err := claimDirection(e.out.mem, e.pipe.Arena(), ipc.OpenWriter)
	if err != nil {
		return err
	}
	r, err := claimDirection(e.in.mem, e.pipe.Arena(), ipc.OpenReader)
	if err != nil {
		if w != nil {
			w.HandOver()
		}
		return err
	}
	if w != nil && r != nil {
		ipc.Pair(w, r)
	}
	if w != nil {
		w.Sends(e.plain, e.sendPlain)
	}
	if r != nil {
		r.Receives(e.plain, e.recvPlain)
	}
	e.out.w.Store(w)
	e.in.r.Store(r)
	if w != nil {
		e.out.baton.open()
	}
	if r != nil {
		e.in.baton.open()
	}
	e.state = endHere
	return nil
}

// claimDirection opens one side of a stream; nil if there is none, or if it was
// closed by itself.
func claimDirection[S any](mem []byte, a *shm.Arena, open func(ipc.Domain, []byte) (*S, error)) (*S, error) {
	if mem == nil {
		return nil, nil
	}
	s, err := open(a, mem)
	if errors.Is(err, ErrClosed) {
		return nil, nil
	}
	return s, err
}

// leave gives the end up: whoever opens it next has it.
func (e *pipeEnd) leave() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != endHere {
		return e.gone()
	}
	e.stop()
	if w := e.out.w.Load(); w != nil {
		w.HandOver()
	}
	if r := e.in.r.Load(); r != nil {
		r.HandOver()
	}
	e.state = endAway
	return nil
}

// close ends both directions, if the end is here.
func (e *pipeEnd) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != endHere {
		return e.gone()
	}
	e.stop()
	if w := e.out.w.Load(); w != nil {
		_ = w.Close()
	}
	if r := e.in.r.Load(); r != nil {
		_ = r.Close()
		e.pipe.CollectEnclosed() // what nobody will receive
	}
	e.state = endClosed
	return nil
}

// stop makes everybody leave both directions. mu is held.
func (e *pipeEnd) stop() {
	if w := e.out.w.Load(); w != nil {
		w.Interrupt()
		e.out.baton.shut()
		w.Withdraw()
	}
	if r := e.in.r.Load(); r != nil {
		r.Interrupt()
		e.in.baton.shut()
		r.Withdraw()
	}
}

// closeSend ends the sending direction.
func (e *pipeEnd) closeSend() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch w := e.out.w.Load(); {
	case e.out.mem == nil:
		return ErrOneWay
	case e.state != endHere:
		return e.gone()
	case w == nil:
		return ErrClosed
	default:
		w.Interrupt()
		e.out.baton.shut()
		w.Withdraw()
		e.out.w.Store(nil)
		return w.Close()
	}
}

// Close closes this process's view; the end too, if it is still here.
func (e *pipeEnd) Close() error {
	_ = e.close()
	e.pipe.Close()
	return nil
}

// gone says why the end is not here. mu is held.
func (e *pipeEnd) gone() error {
	if e.state == endAway {
		return ErrMoved
	}
	return ErrClosed
}

// why explains an error of a direction: one that was interrupted does not know
// whether it was closed or sent away. mem is the direction's. Who has a baton must not ask:
// who closes has mu, and waits for the baton.
func (e *pipeEnd) why(err error, mem []byte) error {
	if err != errShut && !errors.Is(err, ErrClosed) {
		return err
	}
	if mem == nil {
		return ErrOneWay
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.gone()
}

// Tags of records say where the message is.
const (
	noteHere   = 0 // in the record
	noteParcel = 1 // in the parcel that the record names
)

// atOnce is no context: an operation that gets it does not wait.
var atOnce context.Context

// enter takes the baton to send, and the favour from whoever has it. With atOnce it does
// not wait: ErrFull.
func (o *outlet) enter(ctx context.Context) (*ipc.StreamWriter, error) {
	if err := o.baton.takeOr(ctx, ErrFull); err != nil {
		return nil, err
	}
	w := o.w.Load()
	w.Withdraw()
	return w, nil
}

// leave gives the baton back.
func (o *outlet) leave() { o.baton.give() }

// room claims room in the stream. With atOnce it does not wait.
func room(ctx context.Context, w *ipc.StreamWriter, n int) ([]byte, error) {
	if ctx == atOnce {
		return w.TryClaim(n)
	}
	return w.Claim(ctx, n)
}

// sendPlain is what Push does not do quickly: b is a message, and one record. The
// goroutine may have the favour afterwards. Errors are explained without the baton: see why.
func (e *pipeEnd) sendPlain(ctx context.Context, b []byte, at goroutine.Place) error {
	return e.sendError(e.out.send(ctx, b, at))
}

// send sends bytes that fit into the stream. The goroutine may have the favour afterwards, if
// there is a place.
func (o *outlet) send(ctx context.Context, b []byte, at goroutine.Place) error {
	w, err := o.enter(ctx)
	if err != nil {
		return err
	}
	defer o.leave()
	rec, err := room(ctx, w, len(b))
	if err == nil {
		w.Commit(copy(rec, b))
	}
	w.Grant(at)
	return err
}

// recvPlain is what Pull does not do quickly.
func (e *pipeEnd) recvPlain(ctx context.Context, b []byte, at goroutine.Place) error {
	return e.recvError(e.in.receive(ctx, b, at))
}

func (i *inlet) receive(ctx context.Context, b []byte, at goroutine.Place) error {
	r, err := i.enter(ctx)
	if err != nil {
		return err
	}
	defer i.leave()
	rec, err := next(ctx, r)
	if err == nil {
		if len(rec) != len(b) || r.Tag() != noteHere {
			err = fmt.Errorf("a message of %d bytes and kind %d instead of %d: %w", len(rec), r.Tag(), len(b), shm.ErrDamaged)
		} else {
			copy(b, rec)
		}
		r.Release()
	}
	r.Grant(at)
	return err
}

func (e *pipeEnd) sendError(err error) error {
	if err = e.broken(err, e.out.mem); err == nil || err == io.ErrClosedPipe || err == ErrFull {
		return err
	}
	return fmt.Errorf("mp: Conn: send: %w", err)
}

func (e *pipeEnd) recvError(err error) error {
	if err = e.broken(err, e.in.mem); err == nil || err == io.EOF || err == ErrEmpty {
		return err
	}
	return fmt.Errorf("mp: Conn: receive: %w", err)
}

// broken explains an error of a direction, of which mem is, and sees to it that both have
// the same end.
func (e *pipeEnd) broken(err error, mem []byte) error {
	err = e.why(err, mem)
	if err == ErrPeerDied {
		lose(e.out.mem, e.in.mem)
	}
	return err
}

// ship sends a parcel, which is closed then. Once it belongs to the record, the pipe
// keeps it, and not this process: while the message waits, and until its receiver
// has let go of the record.
func (e *pipeEnd) ship(ctx context.Context, parcel *shipment) error {
	defer parcel.Close()
	w, err := e.out.enter(ctx)
	if err != nil {
		return err
	}
	defer e.out.leave()
	if !w.Tags() { // a pipe whose messages may need parcels is not made so
		return fmt.Errorf("mp: a parcel for a pipe whose messages all have one length: %w", shm.ErrDamaged)
	}
	rec, err := room(ctx, w, shm.RefSize)
	if err != nil {
		return err
	}
	parcel.Enclose(e.pipe, w.Stamp()|uint64(1-e.side))
	ref, _ := parcel.Ref().AppendBinary(rec[:0])
	w.CommitTagged(len(ref), noteParcel)
	return nil
}

// carries reports an error if one of the handles is an end of this very pipe: nobody
// could receive it.
func (e *pipeEnd) carries(handles []wire.Handle) error {
	for _, h := range handles {
		if c, ok := h.(interface{ pipeRef() shm.Ref }); ok && c.pipeRef() == e.pipe.Ref() {
			return errOwnPipe
		}
	}
	return nil
}

var errOwnPipe = errors.New("an end of a pipe cannot travel through the pipe itself")

// enter takes the baton to receive, and the favour from whoever has it. With atOnce it
// does not wait: ErrEmpty.
func (i *inlet) enter(ctx context.Context) (*ipc.StreamReader, error) {
	if err := i.baton.takeOr(ctx, ErrEmpty); err != nil {
		return nil, err
	}
	r := i.r.Load()
	r.Withdraw()
	return r, nil
}

// leave gives the baton back.
func (i *inlet) leave() { i.baton.give() }

// next takes the next record. With atOnce it does not wait.
func next(ctx context.Context, r *ipc.StreamReader) ([]byte, error) {
	if ctx == atOnce {
		return r.TryTake()
	}
	return r.Take(ctx)
}

// source is what makes the end something to wait for.
func (e *pipeEnd) source() (*ipc.StreamReader, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch r := e.in.r.Load(); {
	case e.in.mem == nil:
		return nil, ErrOneWay
	case e.state != endHere:
		return nil, e.gone()
	default:
		return r, nil
	}
}

// String tells the fill and the state.
func (e *pipeEnd) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	state := map[endState]string{endAway: "sent away", endHere: "open", endClosed: "closed"}[e.state]
	return fmt.Sprintf("end %d of a pipe, %s", e.side, state)
}
