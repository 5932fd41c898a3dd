package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/internal/sys"
)

// ErrProtocol: what came is no message of this protocol. The connection is of no more use.
var ErrProtocol = errors.New("the peer does not speak the protocol of connections")

// A Conn is a connection with another program: what one side sends, the other receives, in
// order, each message as a whole. Listener.Accept and Dial make it. Any number of
// goroutines may use it. mp.Wait waits for it among other things.
//
// A message is a []byte or a string as it is, or any other T as CBOR; handles of
// shared objects cannot be sent, as they mean nothing outside of their tree. What comes is
// checked: hostile bytes are an error. A message takes memory in the measure in which it
// comes, and its value a multiple of that which depends on T; for strangers, who need no
// key, one may want a lower WithMessageLimit.
//
// A Conn belongs to this process until Detach gives it to another one. It has to be
// closed. Python: Connection.
type Conn[T any] struct {
	waitable
	*life
	payload payload[T]
	limit   int
	in      inflow
	out     outflow
}

// What a Conn gets its way to be waited for from: the methods of mp.Waitable are that
// package's.
type waitable = mp.Waitable

func newConn[T any](c net.Conn, p payload[T], limit int) (*Conn[T], error) {
	s, err := asSocket(c)
	if err != nil {
		return nil, err
	}
	l := &life{socket: s, over: make(chan struct{})}
	return &Conn[T]{
		waitable: mp.Readable{Conn: l},
		life:     l,
		payload:  p,
		limit:    limit,
		in:       inflow{socket: s, turn: newTurn()},
		out:      outflow{socket: s, turn: newTurn()},
	}, nil
}

// Send sends v, and waits for room until ctx ends. If it returns nil, the kernel has the
// whole message; the peer may not receive it if the network fails, the peer dies, or this
// side closes before it has received what there is (see Close). If ctx
// ends within a message, the rest is not sent, the peer gets io.ErrUnexpectedEOF after the
// messages before it, and every further Send is an ErrClosed; Recv goes on. The error is
// io.ErrClosedPipe if the peer is gone, mp.ErrClosed after Close or CloseSend,
// mp.ErrMoved after Detach, mp.ErrTooLarge, ctx's, or one of encoding v. Python: send,
// send_bytes.
func (c *Conn[T]) Send(ctx context.Context, v T) error {
	b, err := c.payload.encode(v)
	switch {
	case err != nil:
	case len(b) > c.limit:
		err = tooLarge(uint64(len(b)), c.limit)
	default:
		err = c.out.send(ctx, b)
	}
	return c.tell("send", err)
}

// Recv receives the next message, and waits for one until ctx ends; what had come of it by
// then, the next Recv finds. After the last one the error is io.EOF, or
// io.ErrUnexpectedEOF if the peer died, or was cut off, within a message. It is
// mp.ErrClosed after Close, mp.ErrMoved after Detach, ctx's, or one of decoding: then
// that message is consumed, and the next Recv gets the next one. After mp.ErrTooLarge or
// ErrProtocol nothing can be received any more. Python: recv, recv_bytes.
func (c *Conn[T]) Recv(ctx context.Context) (v T, err error) {
	b, err := c.in.next(ctx, c.limit)
	if err == nil {
		v, err = c.payload.decode(b)
	}
	return v, c.tell("receive", err)
}

// Poll waits until something of a message is there that was not received, or the reason why
// there will be none, or ctx ends. Python: poll with a timeout.
func (c *Conn[T]) Poll(ctx context.Context) error {
	err := c.in.poll(ctx)
	if why := c.gone.Load(); why != nil {
		err = *why
	}
	return c.tell("poll", err)
}

// Ready reports whether Poll would return at once. Python: poll.
func (c *Conn[T]) Ready() bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	ready, err := sys.Readable(raw)
	return ready || err != nil
}

// CloseSend closes the sending direction, after a Send that is under way: the peer receives
// what is left and then io.EOF. Python has nothing like it.
func (c *Conn[T]) CloseSend() error {
	if err := c.out.turn.take(context.Background()); err != nil {
		return err
	}
	defer c.out.turn.give()
	if c.out.failed == nil {
		c.out.failed = mp.ErrClosed
	}
	err := c.socket.CloseWrite()
	if errors.Is(err, syscall.ENOTCONN) {
		return nil // nobody is there
	}
	return c.tell("close", err)
}

// Close closes the connection. The peer receives what is left and then io.EOF. Whoever
// waits at this side gets mp.ErrClosed. But TCP sends nothing on if this side has not
// received all that had come: who wants to be sure calls CloseSend, receives until io.EOF,
// and then closes. Python: close.
func (c *Conn[T]) Close() error {
	if !c.end(mp.ErrClosed) {
		return c.tell("close", mp.ErrClosed)
	}
	if err := c.socket.Close(); err != nil {
		return fmt.Errorf("mp: connection: close: %w", err)
	}
	return nil
}

// LocalAddr is this side's address.
func (c *Conn[T]) LocalAddr() net.Addr { return c.socket.LocalAddr() }

// RemoteAddr is the other side's address; one of a program that dialled through "unix" is
// none. Python: Listener.last_accepted.
func (c *Conn[T]) RemoteAddr() net.Addr { return c.socket.RemoteAddr() }

// String tells between whom it is.
func (c *Conn[T]) String() string {
	return fmt.Sprintf("Conn %v – %v", c.socket.LocalAddr(), c.socket.RemoteAddr())
}

// tell is an error for users.
func (c *Conn[T]) tell(what string, err error) error {
	if err == nil {
		return nil
	}
	if why := c.gone.Load(); why != nil {
		err = *why
	}
	if err == io.EOF {
		return err // as from an mp.Conn
	}
	return fmt.Errorf("mp: connection: %s: %w", what, err)
}
