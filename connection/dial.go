package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Dial connects to a Listener, or to one of Python's. network is "unix", with the address
// a path, or a name that begins with "@" in Linux's abstract namespace; or "tcp", "tcp4"
// or "tcp6", with a host and a port as net.Dial wants them. Either WithKey or WithoutKey
// is needed.
//
// Dial waits until the peer has let this side in, or ctx ends: one that is stopped, or
// never accepts, or has no key, is waited for. The error is mp.ErrAuthentication if the
// keys differ. That the peer has a key, and this side WithoutKey none, shows in the first
// message, which is its challenge. T may be any type that can be encoded without loss.
// Python: Client.
func Dial[T any](ctx context.Context, network, address string, opts ...Option) (*Conn[T], error) {
	c, err := dial[T](ctx, network, address, opts)
	if err != nil {
		return nil, fmt.Errorf("mp: connection: dial %s %q: %w", network, address, err)
	}
	return c, nil
}

func dial[T any](ctx context.Context, network, address string, opts []Option) (*Conn[T], error) {
	s, p, err := prepare[T](network, opts)
	if err != nil {
		return nil, err
	}
	socket, err := connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c, err := newConn(socket, p, s.limit)
	if err != nil {
		return nil, err
	}
	if s.keyed {
		h := handshake{key: s.key, md5: s.md5, in: &c.in, out: &c.out}
		if err := h.asDialler(ctx); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// connect connects. Where so many wait that there is no room for one more, the kernel tells
// so of a socket of the machine, in place of having one wait; there is nothing to wait for
// but time.
func connect(ctx context.Context, network, address string) (net.Conn, error) {
	var dialler net.Dialer
	for pause := time.Millisecond; ; pause = min(2*pause, 64*time.Millisecond) {
		c, err := dialler.DialContext(ctx, network, address)
		if !errors.Is(err, syscall.EAGAIN) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// prepare looks at what Listen and Dial were given.
func prepare[T any](network string, opts []Option) (*settings, payload[T], error) {
	p, err := newPayload[T]()
	if err != nil {
		return nil, p, err
	}
	s, err := newSettings(opts)
	if err == nil {
		err = s.authenticates()
	}
	if err == nil {
		err = checkNetwork(network)
	}
	return s, p, err
}
