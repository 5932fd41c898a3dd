package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/mpgo/mp"
)

// Detach gives the connection away: it returns the socket as an mp.File, which may be sent
// to another process of the tree, and of which Attach makes a Conn there, or here. Every
// use of this one is an mp.ErrMoved then. Detach waits for a Send, Recv or Poll that is
// under way until ctx ends. If one that gave up has left half a message, that is an error.
// After an error the connection is as it was. Python: a Connection can be sent.
func (c *Conn[T]) Detach(ctx context.Context) (*mp.File, error) {
	f, err := c.detach(ctx)
	return f, c.tell("detach", err)
}

func (c *Conn[T]) detach(ctx context.Context) (*mp.File, error) {
	if err := c.in.turn.take(ctx); err != nil {
		return nil, err
	}
	defer c.in.turn.give()
	if err := c.out.turn.take(ctx); err != nil {
		return nil, err
	}
	defer c.out.turn.give()
	switch {
	case errors.Is(c.out.failed, errCutOff):
		return nil, errCutOff
	case c.in.failed != nil && c.in.failed != io.EOF:
		return nil, c.in.failed
	case !c.in.between():
		return nil, errors.New("half a message was received; receive the rest first")
	}
	its, err := c.socket.File()
	if err != nil {
		return nil, err
	}
	defer its.Close()
	f, err := mp.NewFile(ctx, its)
	if err != nil {
		return nil, err
	}
	if !c.end(mp.ErrMoved) {
		f.Free()
		return nil, mp.ErrClosed
	}
	c.socket.Close() // f has it
	return f, nil
}

// Attach makes a Conn of the socket that Detach made a File of, or of any other stream of
// TCP or of the machine that is connected. It frees f, as the peer could not see the end
// of the connection otherwise. The only option that it looks at is WithMessageLimit. That
// CloseSend was called is forgotten: Send is an io.ErrClosedPipe then.
func Attach[T any](ctx context.Context, f *mp.File, opts ...Option) (*Conn[T], error) {
	c, err := attach[T](ctx, f, opts)
	if err != nil {
		return nil, fmt.Errorf("mp: attach: %w", err)
	}
	return c, nil
}

func attach[T any](ctx context.Context, f *mp.File, opts []Option) (*Conn[T], error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	p, err := newPayload[T]()
	if err != nil {
		return nil, err
	}
	file, err := f.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	conn, err := newConn(c, p, s.limit)
	if err != nil {
		return nil, err
	}
	if err := f.Free(); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
