package mp

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stretchr/testify/require"
)

// In these feats the victim ends something that others wait at, or wants to hear of its
// end.
func init() {
	addCloseFeat("a consumer", 136, nil, func(ctx context.Context, s *scene) error {
		_, err := s.Queue.Get(ctx)
		return err
	})
	addCloseFeat("a receiver", 136, nil, func(ctx context.Context, s *scene) error {
		_, err := s.Queue.Receive(ctx)
		return err
	})
	addCloseFeat("a producer", 264, []int64{1, 2}, func(ctx context.Context, s *scene) error {
		return s.Queue.Put(ctx, 3)
	})
	feats["Queue.Join"] = feat{
		lay: func(p *ordeal) {
			short.layLeased(p, 1, 2)
			short.gets(p, 1)
			d, err := p.Queue.Receive(p.ctx)
			require.NoError(p, then(err, func() error { return d.Ack() }))
		},
		do: func(ctx context.Context, s *scene) error { return s.Queue.Join(ctx) },
		check: func(p *ordeal) {
			require.NoError(p, p.Queue.Join(p.ctx))
			short.checkRoom(p)
			require.NoError(p, p.Queue.Join(p.ctx))
		},
	}
	closing := feat{
		lay: func(p *ordeal) {
			p.Ends, p.Counts = newly(NewQueue[*Conn[int64]](1)), newly(NewArray[int64](stageCounts))
		},
		ready: func(ctx context.Context, s *scene) error { return s.sendsSome(ctx) },
		by:    func(ctx context.Context, s *scene) error { return s.hearsEnd(ctx) },
		sleep: func(s *scene) bool { return s.Counts.At(countGot) == sentBefore },
	}
	closing.do = func(_ context.Context, s *scene) error { return s.End.CloseSend() }
	closing.check = func(p *ordeal) { p.checkHeard(0) }
	feats["Conn.CloseSend while the peer waits"] = closing

	closing.do = func(_ context.Context, s *scene) error { return s.End.Close() }
	closing.check = func(p *ordeal) { p.checkHeard(1) }
	closing.large, closing.slow = true, true // all blocks are asked whether they keep the pipe
	feats["Conn.Close while the peer waits"] = closing

	closing.ready = func(ctx context.Context, s *scene) error {
		err := s.sendsSome(ctx)
		s.End.obj.Hold() // as another handle would
		return err
	}
	closing.large, closing.slow = false, false
	feats["Conn.Close of one of two handles while the peer waits"] = closing
}

// addCloseFeat adds that a queue of some numbers is closed while the witness waits at that
// doorbell of it.
func addCloseFeat(who string, doorbell int, numbers []int64, wait func(ctx context.Context, s *scene) error) {
	feats["Queue.Close for which "+who+" waits"] = feat{
		lay: func(p *ordeal) {
			p.Queue = newly(NewQueue[int64](2, WithMaxLeases(leased)))
			short.puts(p, numbers...)
		},
		do: func(_ context.Context, s *scene) error { return s.Queue.Close() },
		by: func(ctx context.Context, s *scene) error {
			if err := wait(ctx, s); !errors.Is(err, ErrClosed) {
				return fmt.Errorf("not told of the end of the queue: %w", err)
			}
			return nil
		},
		sleep: func(s *scene) bool { return hasSleeper(s.Queue.obj, doorbell) },
		check: func(p *ordeal) { p.checkClosed(numbers) },
	}
}

// checkClosed is for a victim that closes a queue of some numbers, where the witness waits.
// If it did so, the witness needs no help.
func (p *ordeal) checkClosed(numbers []int64) {
	p.awaitDeath()
	eventually(p, func() bool { return p.hasWitnessed() || !p.over && !p.Queue.view.Closed() }, "news of the end of a queue")
	if !p.reported {
		require.NoError(p, p.Queue.Close())
		p.awaitWitness()
	}
	require.ErrorIs(p, p.Queue.TryPut(5), ErrClosed)
	short.gets(p, numbers...)
	_, err := p.Queue.Get(p.ctx)
	require.ErrorIs(p, err, ErrClosed)
}

// sentBefore is how many numbers a victim has sent when it closes its end of a pipe.
const sentBefore = 2

// sendsSome makes a pipe for the victim and the witness, and sends some numbers.
func (s *scene) sendsSome(ctx context.Context) error {
	mine, other, err := NewPipe[int64]()
	if err != nil {
		return err
	}
	s.End = mine
	for n := range int64(sentBefore) {
		err = errors.Join(err, mine.Send(ctx, n))
	}
	return errors.Join(err, s.Ends.Put(ctx, other))
}

// hearsEnd receives what the victim sends, and waits for more until it is told of the end.
// Then it sends until it is told why it should not; as long as there is room, that may be
// later than the victim's death.
func (s *scene) hearsEnd(ctx context.Context) error {
	end, err := s.Ends.Get(ctx)
	if err != nil {
		return err
	}
	for n := int64(0); err == nil; n++ {
		var got int64
		if got, err = end.Recv(ctx); err == nil {
			err = equal(int(n), int(got))
			AddAt(s.Counts, countGot, 1)
		}
	}
	if err := s.countClose(countClosed, err, io.EOF); err != nil {
		return err
	}
	for err = nil; err == nil; {
		err = end.Send(ctx, 7)
	}
	return errors.Join(s.countClose(countSendClosed, err, io.ErrClosedPipe), end.Close())
}

// countClose counts an end that the victim made; it may have died instead.
func (s *scene) countClose(i int, err, closed error) error {
	if err == closed {
		AddAt(s.Counts, i, 1)
		return nil
	}
	if errors.Is(err, ErrPeerDied) {
		return nil
	}
	return err
}

// checkHeard is for a victim that closes its end of a pipe, where the witness waits: the
// direction to the witness, and perhaps the other one. What was not closed ends when the
// victim dies.
func (p *ordeal) checkHeard(other int64) {
	p.awaitWitness()
	require.EqualValues(p, sentBefore, p.Counts.At(countGot))
	p.oneOf(0, 1, p.Counts.At(countClosed))
	p.oneOf(0, other, p.Counts.At(countSendClosed))
}
