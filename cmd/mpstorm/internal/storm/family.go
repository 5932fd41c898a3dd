package storm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/mpgo/mp"
)

// A family is a hand and a child of its process, a mate, that echoes what it is sent
// through a pipe. The hand may kill it at any moment, and must then receive nothing
// but a beginning of what is due, and the end.

// mate echoes messages until the end of the pipe.
var mate = mp.Register("mpstorm.mate", func(ctx context.Context, c *mp.Conn[Message]) (int, error) {
	signal.Ignore(os.Interrupt)
	for n := 0; ; n++ {
		m, err := c.Recv(ctx)
		if err != nil {
			return n, ended(err)
		}
		if err := c.Send(ctx, m); err != nil {
			return n, ended(err)
		}
	}
})

// streamMate echoes bytes until the end of the stream.
var streamMate = mp.Register("mpstorm.streamMate", func(_ context.Context, c *mp.Conn[[]byte]) (int64, error) {
	signal.Ignore(os.Interrupt)
	s := mp.NewStream(c)
	n, err := io.Copy(s, s)
	return n, worst(ended(err), s.Close())
})

// ended is nil for an error that says that a pipe has come to its end.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// square is what the pools of hands do.
var square = mp.Register("mpstorm.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

var familyActs = []act{
	{name: "Pipe to a child", weight: 1, do: (*hand).converse},
	{name: "Stream to a child", weight: 1, do: (*hand).pour},
	{name: "Pool of one's own", weight: 1, do: (*hand).outsource},
}

// rare makes an act that starts processes one that is seldom done, though it is picked
// as others are: the machine would do nothing else.
func (h *hand) rare() bool { return h.chance(6) }

// converse sends messages to a mate and receives them back.
func (h *hand) converse() error {
	if !h.rare() {
		return errNotNow
	}
	mine, its, err := mp.NewPipe[Message]()
	if err != nil {
		return err
	}
	p, err := mate.Start(h.ctx, its, mp.WithName("mate"))
	if err != nil {
		return worst(err, its.Close(), mine.Close())
	}
	killed, talked := h.talk(mine, p)
	closed := mine.Close()
	return worst(h.farewell(p, killed, talked), closed)
}

// talk sends and receives, and perhaps kills, at that time; the error is nil also if
// the mate is dead because of that.
func (h *hand) talk(c *mp.Conn[Message], p *mp.Process) (at time.Time, err error) {
	fatal := -1
	rounds := 1 + h.rng.IntN(burst)
	if h.chance(2) {
		fatal = h.rng.IntN(rounds)
	}
	for i := range rounds {
		if i == fatal {
			at = h.kill(p)
		}
		err := h.exchange(c, newMessage(int64(i)))
		switch {
		case err != nil && !at.IsZero() && errors.Is(err, mp.ErrPeerDied):
			h.logs.took(clockPeer, time.Since(at))
			return at, nil
		case err != nil:
			return at, fmt.Errorf("message %d of %d, the mate was %s: %w", i, rounds, killedAt(at), err)
		}
	}
	return at, nil
}

func killedAt(at time.Time) string {
	if at.IsZero() {
		return "not killed"
	}
	return "killed"
}

func (h *hand) kill(p *mp.Process) time.Time {
	at := time.Now()
	_ = p.Kill() // it may be at its end already
	h.page.count(int(h.page.load(pageAct)-1), countKills)
	return at
}

func (h *hand) exchange(c *mp.Conn[Message], m Message) error {
	return h.patiently(func(ctx context.Context) error {
		if err := c.Send(ctx, m); err != nil {
			return err
		}
		back, err := c.Recv(ctx)
		if err == nil && back != m {
			err = fmt.Errorf("%+v came back for %+v", back, m)
		}
		return err
	})
}

// farewell waits for the end of a mate, and tells how the talk with it went. One that
// was not killed has nothing to complain of, unless there was no memory for it.
func (h *hand) farewell(p *mp.Process, killed time.Time, talked error) error {
	err := h.patiently(p.Wait)
	var exit *mp.ExitError
	switch {
	case err == nil || !killed.IsZero() && errors.As(err, &exit):
		return talked
	case full(err):
		return err
	}
	return fmt.Errorf("the mate, %s, ended: %w; before: %v", killedAt(killed), err, talked)
}

// pour writes bytes to a mate and reads them back.
func (h *hand) pour() error {
	if !h.rare() {
		return errNotNow
	}
	mine, its, err := mp.NewPipe[[]byte]()
	if err != nil {
		return err
	}
	p, err := streamMate.Start(h.ctx, its, mp.WithName("mate"))
	if err != nil {
		return worst(err, its.Close(), mine.Close())
	}
	s := mp.NewStream(mine)
	killed := time.Time{}
	if h.chance(2) {
		time.AfterFunc(time.Duration(h.rng.Int64N(int64(10*time.Millisecond))), func() { _ = p.Kill() })
		killed = time.Now()
	}
	talked := h.stream(s, killed)
	closed := s.Close()
	return worst(h.farewell(p, killed, talked), closed)
}

// stream writes all of a text and reads it; if the mate is killed, less of it.
func (h *hand) stream(s *mp.Stream, killed time.Time) error {
	text := make([]byte, 1+h.rng.IntN(mostCargo))
	fillText(text)
	if err := s.SetDeadline(time.Now().Add(h.limit)); err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		_, err := s.Write(text)
		written <- worst(err, s.CloseWrite())
	}()
	back, err := io.ReadAll(s)
	if werr := <-written; err == nil {
		err = werr
	}
	if !bytes.HasPrefix(text, back) {
		return fmt.Errorf("%d bytes came back, and are others than those of %d that were sent", len(back), len(text))
	}
	if !killed.IsZero() {
		return ended(err)
	}
	if err != nil || len(back) != len(text) {
		return fmt.Errorf("%d of %d bytes came back: %w", len(back), len(text), err)
	}
	return nil
}

func fillText(b []byte) {
	for i := range b {
		b[i] = byte(i * 11)
	}
}

// outsource has a pool of this process square numbers.
func (h *hand) outsource() error {
	if !h.rare() || !h.chance(2) {
		return errNotNow
	}
	pool, err := mp.NewPool(h.ctx, 1)
	if err != nil {
		return err
	}
	n := h.rng.IntN(burst)
	out, err := square.Call(h.ctx, pool, n)
	if err == nil && out != n*n {
		err = fmt.Errorf("%d squared is %d", n, out)
	}
	return worst(err, pool.Close())
}
