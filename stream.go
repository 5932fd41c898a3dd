package mp

import (
	"errors"
	"sync"
	"time"
)

// A Stream is a Conn of bytes without the bounds of messages: an
// io.ReadWriteCloser. What is written to one end can be read from the other in
// pieces of any length; an end that is used as messages sees each Write as one or
// more of them. Any number of goroutines may use it. Python has nothing like it.
type Stream struct {
	conn *Conn[[]byte]

	reading sync.Mutex // guards rest
	rest    []byte     // of the message that was read last

	readBy, writeBy deadline
}

// NewStream makes a Stream of an end. The end is the Stream's from then on.
func NewStream(c *Conn[[]byte]) *Stream {
	return &Stream{conn: c}
}

// Read reads up to len(p) bytes, and waits for at least one. When the peer has closed
// its end, the error after the last byte is io.EOF; ErrPeerDied if nobody has that any
// more. Past the deadline it is os.ErrDeadlineExceeded.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	for len(s.rest) == 0 { // again after an empty message
		b, err := s.conn.Recv(s.readBy.context())
		if err != nil {
			return 0, err
		}
		s.rest = b
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Write writes all of p, and waits for room if need be. After an error, or past the
// deadline, n bytes of p are written.
func (s *Stream) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), s.conn.piece())]
		if err := s.conn.Send(s.writeBy.context(), piece); err != nil {
			return n, err
		}
		n += len(piece)
		p = p[len(piece):]
	}
	return n, nil
}

// Close closes the end. Whoever waits gets ErrClosed.
func (s *Stream) Close() error { return s.conn.Close() }

// CloseWrite closes the writing direction: the peer reads what is left and then
// io.EOF.
func (s *Stream) CloseWrite() error { return s.conn.CloseSend() }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (s *Stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline sets until when Read waits, also one that waits already; the zero
// time for ever. After it has passed, a later one makes Read wait again.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.readBy.set(t)
	return nil
}

// SetWriteDeadline sets until when Write waits; see SetReadDeadline.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.writeBy.set(t)
	return nil
}

// piece is the largest number of bytes that travel in the pipe itself: the codec adds
// one.
func (c *Conn[T]) piece() int {
	if !c.usable() {
		return 1
	}
	return max(1, int(min(uint64(c.view.out.most), c.view.limit))-1)
}
