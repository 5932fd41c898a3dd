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
	feats["Conn.CloseSend while the peer waits"] = feat{
		lay:   layAwaitedEnd,
		ready: func(ctx context.Context, s *scene) error { return shortPipe.sends(ctx, s, inTheEnd) },
		do:    func(_ context.Context, s *scene) error { return s.End.CloseSend() },
		check: func(p *ordeal) {
			p.checkHeardEnd()
			require.ErrorIs(p, p.peer.Send(p.ctx, 7), ErrPeerDied)
			require.NoError(p, p.peer.Close())
		},
	}
	feats["Conn.Close while the peer waits"] = feat{
		lay:   layAwaitedEnd,
		ready: func(ctx context.Context, s *scene) error { return shortPipe.sends(ctx, s, inTheEnd) },
		do:    func(_ context.Context, s *scene) error { return s.End.Close() },
		check: func(p *ordeal) {
			p.checkHeardEnd()
			err := p.peer.Send(p.ctx, 7)
			if p.over || !errors.Is(err, ErrPeerDied) {
				require.ErrorIs(p, err, io.ErrClosedPipe)
			}
			require.NoError(p, p.peer.Close())
		},
	}
}

// inTheEnd is how many numbers a victim has sent when it closes its end of a pipe.
const inTheEnd = 2

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

// layAwaitedEnd makes a pipe at whose other end somebody waits.
func layAwaitedEnd(p *ordeal) {
	shortPipe.lay(p)
	peer := p.peer
	p.heard = begin(func() error {
		for n := int64(0); ; n++ {
			got, err := peer.Recv(context.Background())
			switch {
			case err == nil && got == n:
			case err != nil && n == inTheEnd:
				return err
			default:
				return fmt.Errorf("the number %d as the %dth, and the error %v", got, n, err)
			}
		}
	})
}

// checkHeardEnd requires that who waits for a message of the victim is told of the end:
// that it closed its end, if it was done, or that it died.
func (p *ordeal) checkHeardEnd() {
	var err error
	select {
	case err = <-p.heard:
	case <-p.ctx.Done():
		err = p.ctx.Err()
	}
	if p.over || !errors.Is(err, ErrPeerDied) {
		require.Equal(p, io.EOF, err)
	}
	p.awaitDeath() // before, what is sent may still be taken
}
