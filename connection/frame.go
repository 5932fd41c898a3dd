package connection

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"time"

	"github.com/mpgo/mp"
	"github.com/mpgo/mp/internal/sys"
)

// A frame is a message on its way, as Python's multiprocessing frames it
// (Lib/multiprocessing/connection.py, Connection._send_bytes):
//
//	length    4 bytes, signed, big-endian; or −1 and 8 bytes, unsigned, if it is
//	          longer than 2³¹−1
//	message   of that length, which may be 0
const (
	shortHeader = 4
	longHeader  = 12
)

func appendHeader(b []byte, length int) []byte {
	if length <= math.MaxInt32 {
		return binary.BigEndian.AppendUint32(b, uint32(length))
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, math.MaxUint32), uint64(length))
}

// A turn is had by one goroutine at a time.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }

// endingWith has what a goroutine does to a socket end with ctx, by a deadline, which is
// taken back by the function that is returned.
func endingWith(ctx context.Context, setDeadline func(time.Time) error) (restore func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = setDeadline(time.Unix(1, 0)) // long ago
		close(set)
	})
	return func() {
		if !stop() {
			<-set
			_ = setDeadline(time.Time{})
		}
	}
}

// An outflow writes frames.
type outflow struct {
	socket socket
	turn   turn
	failed error // why nothing can be sent any more; who has the turn owns it
}

// errCutOff: the sender gave up within a message.
var errCutOff = fmt.Errorf("a message was cut off: %w", mp.ErrClosed)

// send sends a message. If ctx ends when a part of it has been sent, that is the end of
// this direction: the peer could not tell the rest from the next one.
func (o *outflow) send(ctx context.Context, message []byte) error {
	if err := o.turn.take(ctx); err != nil {
		return err
	}
	defer o.turn.give()
	if o.failed != nil {
		return o.failed
	}
	sent, err := o.write(ctx, message)
	if err = sendError(ctx, err); err == nil || sent == 0 {
		return err
	}
	if o.failed = err; ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		o.failed = errCutOff
		_ = o.socket.CloseWrite() // the peer finds the end within a message
	}
	return err
}

// write writes a frame: in one piece, or in two without a copy.
func (o *outflow) write(ctx context.Context, message []byte) (sent int64, err error) {
	var room [longHeader]byte
	frame := net.Buffers{appendHeader(room[:0], len(message)), message}
	defer endingWith(ctx, o.socket.SetWriteDeadline)()
	return frame.WriteTo(o.socket)
}

func sendError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, net.ErrClosed):
		return mp.ErrClosed
	case isGone(err):
		return fmt.Errorf("%w: %w", io.ErrClosedPipe, err)
	}
	return err
}

func tooLarge(n uint64, limit int) error {
	return fmt.Errorf("a message of %d bytes, and the connection's limit is %d: %w", n, limit, mp.ErrTooLarge)
}

// An inflow reads frames. It never reads further than the end of a frame, so between two
// of them another process may go on with the socket, and who asks whether that is readable
// learns whether there is a message. What has come of a frame stays when a reader gives up.
type inflow struct {
	socket socket
	turn   turn // who has it owns what follows
	header []byte
	body   []byte
	length uint64 // of the body, if the header is whole
	whole  bool
	failed error // why nothing can be received any more
}

// next returns the next message, which is the caller's, or refuses one of more than limit
// bytes.
func (in *inflow) next(ctx context.Context, limit int) ([]byte, error) {
	if err := in.turn.take(ctx); err != nil {
		return nil, err
	}
	defer in.turn.give()
	if in.failed != nil {
		return nil, in.failed
	}
	err := in.fill(ctx, limit)
	if err == nil {
		message := in.body
		in.header, in.body, in.length, in.whole = in.header[:0], nil, 0, false
		return message, nil
	}
	if err = in.receiveError(ctx, err); ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		in.failed = err
		_ = in.socket.CloseRead() // tells a peer on this machine that nobody reads any more
	}
	return nil, err
}

// between reports whether nothing has come of a frame yet.
func (in *inflow) between() bool { return len(in.header) == 0 }

// poll waits until there is something to read, or the reason why there will be nothing.
func (in *inflow) poll(ctx context.Context) error {
	if err := in.turn.take(ctx); err != nil {
		return err
	}
	defer in.turn.give()
	switch {
	case errors.Is(in.failed, mp.ErrClosed):
		return in.failed
	case in.failed != nil:
		return nil
	}
	raw, err := in.socket.SyscallConn()
	if err != nil {
		return err
	}
	defer endingWith(ctx, in.socket.SetReadDeadline)()
	return in.receiveError(ctx, sys.AwaitReadable(raw))
}

// fill reads until a frame is whole.
func (in *inflow) fill(ctx context.Context, limit int) error {
	defer endingWith(ctx, in.socket.SetReadDeadline)()
	for !in.whole {
		if err := in.fillHeader(limit); err != nil {
			return err
		}
	}
	for uint64(len(in.body)) < in.length {
		if err := in.fillBody(); err != nil {
			return err
		}
	}
	if in.body == nil {
		in.body = []byte{}
	}
	return nil
}

// fillHeader reads some more of the header, and notes what it says when it is whole.
func (in *inflow) fillHeader(limit int) (err error) {
	want := shortHeader
	if len(in.header) >= shortHeader {
		want = longHeader
	}
	if in.header, err = in.readMore(in.header, want-len(in.header)); err != nil || len(in.header) < want {
		return err
	}
	n := int32(binary.BigEndian.Uint32(in.header))
	switch {
	case want == longHeader:
		in.length = binary.BigEndian.Uint64(in.header[shortHeader:])
	case n == -1:
		return nil // go on to the long one
	case n < 0:
		return fmt.Errorf("%w: a length of %d", ErrProtocol, n)
	default:
		in.length = uint64(n)
	}
	if in.length > uint64(limit) {
		return tooLarge(in.length, limit)
	}
	in.whole = true
	return nil
}

// firstRoom is how much memory a message gets on its peer's word alone; it gets more in the
// measure in which it comes.
const firstRoom = 64 << 10

func (in *inflow) fillBody() (err error) {
	room := max(firstRoom, len(in.body))
	if rest := in.length - uint64(len(in.body)); uint64(room) > rest {
		room = int(rest)
	}
	in.body, err = in.readMore(in.body, room)
	return err
}

// readMore appends up to n bytes to b, and at least one.
func (in *inflow) readMore(b []byte, n int) ([]byte, error) {
	b = slices.Grow(b, n)
	got, err := in.socket.Read(b[len(b) : len(b)+n])
	if got > 0 {
		err = nil // it comes again
	}
	return b[:len(b)+got], err
}

func (in *inflow) receiveError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, net.ErrClosed):
		return mp.ErrClosed
	case in.between() && (errors.Is(err, io.EOF) || isReset(err, in.socket)):
		return io.EOF
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case isGone(err):
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return err
}
