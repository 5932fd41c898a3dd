package mp

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/spin"
	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A Conn is one end of a pipe between two processes: what one end sends, the other
// receives, in order, each message as a whole. NewPipe makes both ends. A Conn must
// not be copied. Any number of goroutines of its process may use it.
//
// # One process at a time
//
// An end belongs to one process. It may be sent to another one, in arguments,
// results and messages: then it moves there, with the messages that wait in it, and
// this process has it no longer; its handle returns ErrMoved. If the sending fails,
// the end stays. A parent gives an end to its child with the argument of Start; it
// need not, and cannot, close it afterwards. What was given to a pool belongs to the
// task: when that is over and its worker has not kept the end, the end is closed.
//
// # The end of a pipe
//
// When the peer has closed its end, Recv returns what is left and then io.EOF, and
// Send io.ErrClosedPipe. When the peer's process died, or its end got lost on the
// way, both return ErrPeerDied; errors.Is takes that for an io.EOF as well. A message
// is committed when Send returned nil: then nothing but the death of its receiver
// can lose it. An end whose last handle is collected by the garbage collector is
// closed.
//
// # Messages
//
// Messages are copied: a plain T, or a slice of such, as raw memory, everything else
// as CBOR. What is too long for the pipe's capacity, or contains handles, travels in
// a block of its own, which keeps what it speaks of alive. An end of a pipe cannot
// travel through that pipe; ends of two pipes that wait in each other keep each other
// until somebody receives one, or the whole tree of processes has ended.
//
// A Send synchronizes before the Recv of its message.
//
// Python: Connection, whose methods send, recv and poll are these; where an end
// sent away stays open in the sender, so that nobody sees the end of it; and which
// two threads must not use at a time.
type Conn[T any] struct {
	handle[*connView[T], conns[T]]
}

// connView is what all handles of a process share.
type connView[T any] struct {
	pipeEnd // by value: Send and Recv go through one pointer less
	codec   *wire.Codec[T]
	pushes  bool // a message is a record as it is
	pulls   bool // and whatever record there is, is a message
}

// Send sends v, and waits for room until ctx ends. If it returns nil, the message is
// committed; otherwise it was not sent. The error is io.ErrClosedPipe if the peer has
// closed its end, ErrPeerDied if nobody has that any more, ErrClosed after Close or
// CloseSend, ErrMoved if the end was sent away, ErrOneWay, ErrTooLarge, ctx's, one of
// encoding v, or of a lack of shared memory. Only a Send that has to wait is sure to
// look at ctx: to do so costs as much as a short message. Python: send, send_bytes.
//
//go:nocheckptr
func (c *Conn[T]) Send(ctx context.Context, v T) error {
	var here byte
	if s := c.share; s != nil {
		if f := s.quick.out.Load(); f != nil && f.Is(&here) {
			end, trouble := f.Begin()
			if trouble != 0 {
				trouble = f.Again(end)
			}
			if trouble == 0 {
				if f.Hears() == 0 {
					*ipc.RecordOf[T](f) = v
					f.Tell()
					if waiting := f.End(end); waiting != 0 || f.Due(end) {
						f.After(waiting)
					}
					runtime.KeepAlive(c)
					return nil
				}
			}
			f.Undo()
		}
	}
	return c.sendNext(ctx, &v, goroutine.At(&here))
}

// TrySend is Send, but returns ErrFull where Send would wait.
func (c *Conn[T]) TrySend(v T) error { return c.Send(atOnce, v) }

// sendNext sends v for the goroutine at a place. If that has the favour then, Send knows it.
func (c *Conn[T]) sendNext(ctx context.Context, v *T, at goroutine.Place) error {
	if s := c.share; s != nil && s.view.pushes && !s.freed.Load() {
		if w := s.view.out.w.Load(); w != nil {
			err := w.Push(ctx, shm.Pointer(v), at)
			hasten(&s.quick.out, w.Favoured(), &s.freed)
			runtime.KeepAlive(c)
			return err
		}
	}
	return c.sendAny(ctx, v)
}

// sendAny sends whatever there is. With atOnce it does not wait.
func (c *Conn[T]) sendAny(ctx context.Context, v *T) error {
	if !c.usable() {
		return c.unusable()
	}
	err := c.send(ctx, v)
	if err != nil {
		err = c.view.sendError(err)
	}
	runtime.KeepAlive(c)
	return err
}

// send encodes v before it takes the baton, save where that is a mere copy. With atOnce it
// does not wait.
func (c *Conn[T]) send(ctx context.Context, v *T) error {
	codec, e := c.view.codec, &c.view.pipeEnd
	defer runtime.KeepAlive(c)
	switch n := codec.Length(v); {
	case e.out.mem == nil:
		return ErrOneWay
	case n < 0:
		return c.sendEncoded(ctx, *v)
	case uint64(n) > e.limit:
		return tooLarge(n, e.limit)
	case n > e.out.most:
		return c.sendLarge(ctx, *v, n)
	default:
		return c.sendHere(ctx, v, n)
	}
}

// sendHere encodes v into its record; it takes n bytes there.
func (c *Conn[T]) sendHere(ctx context.Context, v *T, n int) error {
	out := &c.view.out
	w, err := out.enter(ctx)
	if err != nil {
		return err
	}
	defer out.leave()
	rec, err := room(ctx, w, n)
	if err != nil {
		return err
	}
	if _, err := c.view.codec.Append(rec[:0], *v); err != nil {
		return err // the next claim takes the place of this one
	}
	w.Commit(n)
	return nil
}

// sendLarge encodes v into a parcel; it takes n bytes there.
func (c *Conn[T]) sendLarge(ctx context.Context, v T, n int) error {
	parcel, payload, err := newShipment(c.obj.Arena(), n, nil)
	if err != nil {
		return err
	}
	if _, err := c.view.codec.Append(payload[:0], v); err != nil {
		parcel.Close()
		return err
	}
	return c.view.ship(ctx, parcel)
}

// sendEncoded is for values whose size is known only when they are encoded, and for
// those with handles.
func (c *Conn[T]) sendEncoded(ctx context.Context, v T) error {
	codec, e := c.view.codec, &c.view.pipeEnd
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	b, err := codec.Append((*buf)[:0], v)
	if err != nil {
		return err
	}
	*buf = b
	handles := codec.AppendHandles(nil, v)
	switch {
	case uint64(len(b)) > e.limit:
		return tooLarge(len(b), e.limit)
	case len(handles) == 0 && len(b) <= e.out.most:
		return e.out.send(ctx, b, goroutine.Place{})
	}
	if err := e.carries(handles); err != nil {
		return err
	}
	parcel, err := pack(c.obj.Arena(), b, handles)
	runtime.KeepAlive(v)
	if err != nil {
		return err
	}
	return e.ship(ctx, parcel)
}

func tooLarge(n int, limit uint64) error {
	return fmt.Errorf("a message of %d bytes, and the pipe's limit is %d: %w", n, limit, ErrTooLarge)
}

// Recv receives the next message, and waits for one until ctx ends. After the last
// one the error is io.EOF if the peer has closed its end, ErrPeerDied if nobody has
// that any more. It is ErrClosed after Close, ErrMoved if the end was sent away,
// ErrOneWay, ctx's, or one of decoding: then that message is consumed, and the next
// Recv gets the next one. Only a Recv that has to wait is sure to look at ctx. Python:
// recv, recv_bytes.
func (c *Conn[T]) Recv(ctx context.Context) (v T, err error) {
	err = c.RecvInto(ctx, &v)
	return v, err
}

// RecvInto is Recv to *v, for those who receive again and again: a large T is copied once
// less, and if T is a slice of plain elements, what comes is written to the memory that
// *v has, up to its capacity, if that suffices; else *v gets new memory. After an error
// *v is as it was. Python: recv_bytes_into, which raises BufferTooShort where this makes
// room.
//
//go:nocheckptr
func (c *Conn[T]) RecvInto(ctx context.Context, v *T) error {
	_ = *v // nobody waits, or has the end, when this panics
	var here byte
	if s := c.share; s != nil {
		if f := s.quick.in.Load(); f != nil && f.Is(&here) {
			next, trouble := f.Begin()
			if trouble == 0 {
				if f.Reaches() == 0 {
					if ipc.IsLine[T]() {
						f.ReadLine(shm.Pointer(v))
					} else {
						f.Read(shm.Pointer(v))
					}
					if f.End(next) != 0 {
						f.Wake()
					}
					runtime.KeepAlive(c)
					return nil
				}
			}
			f.Undo()
		}
	}
	return c.recvNext(ctx, v, goroutine.At(&here))
}

// recvNext receives for the goroutine at a place. If that has the favour then, RecvInto knows it.
func (c *Conn[T]) recvNext(ctx context.Context, v *T, at goroutine.Place) error {
	if s := c.share; s != nil && s.view.pulls && !s.freed.Load() {
		if r := s.view.in.r.Load(); r != nil {
			err := r.Pull(ctx, shm.Pointer(v), at)
			hasten(&s.quick.in, r.Favoured(), &s.freed)
			runtime.KeepAlive(c)
			return err
		}
	}
	return c.recvAny(ctx, v)
}

// TryRecv is Recv, but returns ErrEmpty where Recv would wait. It looks for a moment, with
// pauses that tell the CPU that it spins: what comes meanwhile is found before the caller
// would be back.
func (c *Conn[T]) TryRecv() (v T, err error) {
	err = c.TryRecvInto(&v)
	return v, err
}

// TryRecvInto is RecvInto, but returns ErrEmpty where that would wait; see TryRecv.
//
//go:nocheckptr
func (c *Conn[T]) TryRecvInto(v *T) error {
	_ = *v
	var here byte
	if s := c.share; s != nil {
		if f := s.quick.in.Load(); f != nil && f.Is(&here) {
			next, trouble := f.Begin()
			if trouble != 0 {
				trouble = f.Seek(next)
			}
			if trouble == 0 {
				if f.Reaches() == 0 {
					if ipc.IsLine[T]() {
						f.ReadLine(shm.Pointer(v))
					} else {
						f.Read(shm.Pointer(v))
					}
					if f.End(next) != 0 {
						f.Wake()
					}
					runtime.KeepAlive(c)
					return nil
				}
			}
			f.Undo()
		}
	}
	return c.tryRecvNext(v, goroutine.At(&here))
}

// tryRecvNext is TryRecvInto for the goroutine at a place, where there may be no message.
func (c *Conn[T]) tryRecvNext(v *T, at goroutine.Place) error {
	if s := c.share; s != nil && !s.freed.Load() {
		if r := s.view.in.r.Load(); r != nil {
			if s.view.pulls {
				err := r.TryPull(shm.Pointer(v), at)
				hasten(&s.quick.in, r.Favoured(), &s.freed)
				runtime.KeepAlive(c)
				return err
			}
			if r.Idle() {
				spin.Pause(1)
				runtime.KeepAlive(c)
				return ErrEmpty
			}
		}
	}
	return c.recvAny(atOnce, v)
}

// recvAny receives whatever there is. With atOnce it does not wait.
func (c *Conn[T]) recvAny(ctx context.Context, v *T) error {
	if !c.usable() {
		return c.unusable()
	}
	err := c.recv(ctx, v)
	if err != nil {
		err = c.view.recvError(err)
	}
	runtime.KeepAlive(c)
	return err
}

// recv sets *v to the next message. With atOnce it does not wait.
func (c *Conn[T]) recv(ctx context.Context, v *T) error {
	in := &c.view.in
	r, err := in.enter(ctx)
	if err != nil {
		return err
	}
	b, err := next(ctx, r)
	switch {
	case err != nil:
		in.leave()
		return err
	case r.Tag() == noteHere:
		err = c.view.codec.DecodeInto(b, v)
		r.Release()
		in.leave()
		return err
	}
	// Whoever dies before Release did not receive it, and nobody else can.
	parcel, body, err := openParcel(c.obj.Arena(), b)
	r.Release()
	in.leave()
	if err == nil {
		err = c.view.codec.DecodeInto(body, v)
		parcel.Close()
	}
	return err
}

// Poll waits until Recv would not: until there is a message, or the reason why there
// will be none, such as the end of the pipe. The error is ErrClosed, ErrMoved,
// ErrOneWay, or ctx's. Python: poll with a timeout; for one of 0 see Ready.
func (c *Conn[T]) Poll(ctx context.Context) error {
	if !c.usable() {
		return c.unusable()
	}
	defer runtime.KeepAlive(c)
	in := &c.view.in
	if r := in.r.Load(); r != nil && r.Pending() && ctx.Err() == nil {
		return nil // who has the favour keeps it
	}
	r, err := in.enter(ctx)
	if err != nil {
		return c.view.recvError(err)
	}
	_, err = next(ctx, r) // and not released: the next one gets it again
	in.leave()
	if errors.Is(err, ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return c.view.recvError(err)
	}
	return nil
}

// Ready reports whether Recv would return at once. Python: poll.
func (c *Conn[T]) Ready() bool {
	if !c.usable() {
		return true
	}
	defer runtime.KeepAlive(c)
	r, err := c.view.source()
	if err != nil || r == nil {
		return true
	}
	r.Enter()
	defer r.Leave()
	return r.Ready()
}

// CloseSend closes the sending direction: the peer receives what is left and then
// io.EOF. What the peer sends can still be received. Python has nothing like it.
func (c *Conn[T]) CloseSend() error {
	if !c.usable() {
		return c.unusable()
	}
	err := c.view.closeSend()
	runtime.KeepAlive(c)
	if err != nil {
		return fmt.Errorf("mp: Conn: close: %w", err)
	}
	return nil
}

// Close closes the end and gives this handle back. The peer receives what is left
// and then io.EOF; what it sent and this end has not received is lost. Whoever waits
// at this end gets ErrClosed. Python: close.
func (c *Conn[T]) Close() error {
	if !c.usable() {
		return c.unusable()
	}
	err := c.view.close()
	if freeErr := c.free(); err == nil && freeErr != nil {
		return c.unusable() // another goroutine was first
	}
	if err != nil {
		return fmt.Errorf("mp: Conn: close: %w", err)
	}
	return nil
}

// String tells which end it is, and its state.
func (c *Conn[T]) String() string {
	if c.share == nil {
		return "Conn (empty)"
	}
	s := c.view.String()
	runtime.KeepAlive(c)
	return s
}

// unusable is why the handle has no end.
func (c *Conn[T]) unusable() error {
	if c.share == nil {
		return fmt.Errorf("mp: this Conn is empty; NewPipe makes two: %w", ErrClosed)
	}
	return fmt.Errorf("mp: Conn: %w", c.view.why(errShut, []byte{}))
}

// claim makes the end this process's, or gives the handle back.
func (c *Conn[T]) claim() error {
	if err := c.view.claim(); err != nil {
		_ = c.free()
		return fmt.Errorf("mp: Conn: %w", err)
	}
	return nil
}

// WireRef names the end in messages.
func (c *Conn[T]) WireRef() (shm.Ref, error) {
	if !c.usable() {
		return shm.Ref{}, c.unusable()
	}
	return c.obj.Ref(), nil
}

// MarshalCBOR encodes the handle for another process of the tree.
func (c *Conn[T]) MarshalCBOR() ([]byte, error) {
	if !c.usable() {
		return nil, c.unusable()
	}
	return c.handle.MarshalCBOR()
}

// UnmarshalCBOR makes c a handle of the end that was encoded, and the end this
// process's.
func (c *Conn[T]) UnmarshalCBOR(encoded []byte) error {
	if err := c.handle.UnmarshalCBOR(encoded); err != nil {
		return err
	}
	return c.claim()
}

// WireBind makes c a handle of the end that r names, which was in a message, and the end
// this process's.
func (c *Conn[T]) WireBind(r shm.Ref) error {
	if err := c.handle.WireBind(r); err != nil {
		return err
	}
	return c.claim()
}

// pipeRef names the pipe.
func (c *Conn[T]) pipeRef() shm.Ref { return c.view.pipe.Ref() }

// leave, sent and unsent make a Conn movable.
func (c *Conn[T]) leave() error {
	if !c.usable() {
		return c.unusable()
	}
	if err := c.view.leave(); err != nil {
		return fmt.Errorf("mp: Conn: %w", err)
	}
	return nil
}

func (c *Conn[T]) sent() { _ = c.free() }

func (c *Conn[T]) unsent() { _ = c.view.claim() }
