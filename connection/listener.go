package connection

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mpgo/mp"
)

// A Listener waits for other programs that Dial, or use Python's Client, and makes a Conn
// with each that knows the key. It has to be closed. Python: Listener.
//
// Handshakes are held in the background, up to sixty-four at a time with those that were
// not accepted yet, and given up after ten seconds: a peer that says nothing, or the wrong
// thing, delays nobody as long as there are places left, and is no error of Accept
// (WithRejected tells). Others the kernel keeps waiting, with what they have sent.
type Listener[T any] struct {
	socket   net.Listener
	release  func() // what Listen took besides the socket
	settings *settings
	payload  payload[T]

	arrivals chan arrival[T]
	places   chan struct{}   // one for each peer between the kernel and Accept
	open     context.Context // until Close
	shut     context.CancelFunc
	closed   atomic.Bool
	running  sync.WaitGroup
}

// An arrival is what Accept returns.
type arrival[T any] struct {
	conn *Conn[T]
	err  error
}

const (
	mostArrivals  = 64
	handshakeTime = 10 * time.Second
)

// Listen makes a Listener. network and address are as for Dial, and if address is empty, it
// chooses one, which Addr tells: a random name of the abstract namespace, or a port of
// localhost. Either WithKey or WithoutKey is needed.
//
// A path can be connected to by processes of the same user only, if nobody changes its
// mode. Beside it lies a file with its name and ".lock", which is locked for as long as the
// Listener lives: Close removes both, and what a killed one left the next one takes over.
// If a living one, or another program, listens there, the error is syscall.EADDRINUSE.
//
// Python: Listener(address, family, authkey=…).
func Listen[T any](ctx context.Context, network, address string, opts ...Option) (*Listener[T], error) {
	l, err := listen[T](ctx, network, address, opts)
	if err != nil {
		return nil, fmt.Errorf("mp: connection: listen %s %q: %w", network, address, err)
	}
	return l, nil
}

func listen[T any](ctx context.Context, network, address string, opts []Option) (*Listener[T], error) {
	s, p, err := prepare[T](network, opts)
	if err != nil {
		return nil, err
	}
	socket, release, err := listenAt(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newListener(socket, release, s, p), nil
}

func newListener[T any](socket net.Listener, release func(), s *settings, p payload[T]) *Listener[T] {
	l := &Listener[T]{
		socket:   socket,
		release:  release,
		settings: s,
		payload:  p,
		arrivals: make(chan arrival[T]),
		places:   make(chan struct{}, mostArrivals),
	}
	l.open, l.shut = context.WithCancel(context.Background())
	l.running.Go(l.welcome)
	return l
}

// Accept waits for the next peer that knows the key, until ctx ends. The error is
// mp.ErrClosed after Close, ctx's, or what the system has, such as syscall.EMFILE, after
// which Accept may be called again. Python: accept.
func (l *Listener[T]) Accept(ctx context.Context) (*Conn[T], error) {
	err := ctx.Err()
	if err == nil && l.open.Err() == nil {
		select {
		case a := <-l.arrivals:
			if a.err == nil {
				return a.conn, nil
			}
			err = a.err
		case <-l.open.Done():
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if l.open.Err() != nil {
		err = mp.ErrClosed
	}
	return nil, fmt.Errorf("mp: connection: accept: %w", err)
}

// Addr is where it listens. Python: address.
func (l *Listener[T]) Addr() net.Addr { return l.socket.Addr() }

// Close ends the Listener: nobody can connect any more, those who have and were not
// accepted are sent away, and Accept returns mp.ErrClosed. Accepted connections stay.
// Python: close.
func (l *Listener[T]) Close() error {
	if l.closed.Swap(true) {
		return fmt.Errorf("mp: connection: close: %w", mp.ErrClosed)
	}
	l.shut()
	err := l.socket.Close()
	l.running.Wait()
	l.release()
	if err != nil {
		return fmt.Errorf("mp: connection: close: %w", err)
	}
	return nil
}

// String tells where it listens.
func (l *Listener[T]) String() string { return fmt.Sprintf("Listener %v", l.Addr()) }

// welcome takes peers from the kernel until Close.
func (l *Listener[T]) welcome() {
	for l.open.Err() == nil {
		select {
		case l.places <- struct{}{}:
		case <-l.open.Done():
			return
		}
		socket, err := l.socket.Accept()
		if err != nil {
			l.arrive(arrival[T]{err: err})
			<-l.places
			continue
		}
		l.running.Go(func() {
			defer func() { <-l.places }()
			l.admit(socket)
		})
	}
}

// admit hands a peer to Accept, if it knows the key.
func (l *Listener[T]) admit(socket net.Conn) {
	c, err := newConn(socket, l.payload, l.settings.limit)
	if err == nil && l.settings.keyed {
		if err = l.shakeHands(c); err != nil {
			c.Close()
		}
	}
	switch {
	case err == nil:
		l.arrive(arrival[T]{conn: c})
	case l.open.Err() == nil:
		go l.settings.rejected(socket.RemoteAddr(), err) // it may Close
	}
}

func (l *Listener[T]) shakeHands(c *Conn[T]) error {
	ctx, cancel := context.WithTimeout(l.open, handshakeTime)
	defer cancel()
	h := handshake{key: l.settings.key, md5: l.settings.md5, in: &c.in, out: &c.out}
	return h.asListener(ctx)
}

// arrive waits until Accept takes what has arrived, or Close.
func (l *Listener[T]) arrive(a arrival[T]) {
	select {
	case l.arrivals <- a:
	case <-l.open.Done():
		if a.conn != nil {
			a.conn.Close()
		}
	}
}
