package mp

import (
	"context"
	"errors"
	"io"

	"github.com/stretchr/testify/require"
)

// A pipeline is what is known of a scene's pipe, of either kind of messages.
type pipeline[T any] struct {
	lane[T]
	end  func(s *scene) **Conn[T]
	peer func(p *ordeal) **Conn[T]
	opts []PipeOption
}

var (
	shortPipe = pipeline[int64]{
		lane: short,
		end:  func(s *scene) **Conn[int64] { return &s.End },
		peer: func(p *ordeal) **Conn[int64] { return &p.peer },
	}
	longPipe = pipeline[[]byte]{
		lane: long,
		end:  func(s *scene) **Conn[[]byte] { return &s.LongEnd },
		peer: func(p *ordeal) **Conn[[]byte] { return &p.longPeer },
		opts: []PipeOption{WithPipeCapacity(1024)}, // long messages do not fit
	}
)

// inARow is enough Sends for a goroutine to get the favour of ipc.StreamWriter.
const inARow = 16

func init() {
	shortPipe.addFeats("")
	longPipe.addFeats(" of a long message")

	feats["Queue.Put of a pipe's end"] = feat{
		large: true,
		lay:   layEnds,
		do:    func(ctx context.Context, s *scene) error { return s.Ends.Put(ctx, s.End) },
		check: func(p *ordeal) { p.checkTravelled(true) },
	}
	feats["Queue.Get of a pipe's end"] = feat{
		large: true,
		lay: func(p *ordeal) {
			layEnds(p)
			require.NoError(p, p.Ends.Put(p.ctx, p.End))
			p.End = nil
		},
		do:    func(ctx context.Context, s *scene) error { _, err := s.Ends.Get(ctx); return err },
		check: func(p *ordeal) { p.checkTravelled(false) },
	}

	// Of several goroutines that send, the one that came some times in a row does so
	// without the lock; whoever comes next has to withdraw the favour first.
	feats["Conn.Send in a row, until it is favoured"] = feat{
		large: true,
		lay:   shortPipe.lay,
		do:    func(ctx context.Context, s *scene) error { return shortPipe.sends(ctx, s, inARow) },
		check: shortPipe.checkSent,
	}
	feats["Conn.Send while another goroutine is favoured"] = feat{
		lay: shortPipe.lay,
		ready: func(ctx context.Context, s *scene) error {
			return <-begin(func() error { return shortPipe.sends(ctx, s, inARow) })
		},
		do:    func(ctx context.Context, s *scene) error { return shortPipe.sends(ctx, s, 2) },
		check: shortPipe.checkSent,
	}
	feats["Conn.Send in turns of three goroutines"] = feat{
		lay: shortPipe.lay,
		ready: func(ctx context.Context, s *scene) error {
			first := <-begin(func() error { return shortPipe.sends(ctx, s, inARow) })
			return then(first, func() error {
				return <-begin(func() error { return shortPipe.sends(ctx, s, 3*inARow) })
			})
		},
		do:    func(ctx context.Context, s *scene) error { return shortPipe.sends(ctx, s, 2) },
		check: shortPipe.checkSent,
	}
}

func (l pipeline[T]) addFeats(what string) {
	feats["Conn.Send"+what] = feat{
		large: what != "",
		lay:   l.lay,
		ready: func(ctx context.Context, s *scene) error { return l.sends(ctx, s, 2) },
		do:    func(ctx context.Context, s *scene) error { return l.sends(ctx, s, 1) },
		check: l.checkSent,
	}
	feats["Conn.Recv"+what] = feat{
		large: what != "",
		lay: func(p *ordeal) {
			l.lay(p)
			for n := range int64(3) {
				require.NoError(p, (*l.peer(p)).Send(p.ctx, l.letter(n)))
			}
		},
		do:    func(ctx context.Context, s *scene) error { _, err := (*l.end(s)).Recv(ctx); return err },
		check: func(p *ordeal) { l.checkPeerDied(p) },
	}
}

func (l pipeline[T]) lay(p *ordeal) {
	var err error
	*l.peer(p), *l.end(&p.scene), err = NewPipe[T](l.opts...)
	require.NoError(p, err)
	p.Counts = newly(NewArray[int64](stageCounts))
}

// sends sends as many numbers as it is told, and counts them.
func (l pipeline[T]) sends(ctx context.Context, s *scene, n int) error {
	for range n {
		if err := (*l.end(s)).Send(ctx, l.letter(s.Counts.At(countSent))); err != nil {
			return err
		}
		AddAt(s.Counts, countSent, 1)
	}
	return nil
}

// checkSent receives what the victim sent: all that it knew of, and perhaps one more,
// in order, and then the end.
func (l pipeline[T]) checkSent(p *ordeal) {
	received := int64(0)
	for ; ; received++ {
		m, err := (*l.peer(p)).Recv(p.ctx)
		if err != nil {
			require.ErrorIs(p, err, ErrPeerDied)
			break
		}
		require.Equal(p, received, l.number(m))
	}
	sent := p.Counts.At(countSent)
	if p.over || received != sent+1 {
		require.Equal(p, sent, received)
	}
	l.checkPeerDied(p)
}

// checkPeerDied requires the end of the pipe in both directions.
func (l pipeline[T]) checkPeerDied(p *ordeal) {
	_, err := (*l.peer(p)).Recv(p.ctx)
	require.ErrorIs(p, err, ErrPeerDied)
	require.ErrorIs(p, err, io.EOF)
	require.ErrorIs(p, (*l.peer(p)).Send(p.ctx, l.letter(7)), ErrPeerDied)
	require.NoError(p, (*l.peer(p)).Close())
}

// layEnds makes a pipe, and a queue for its end.
func layEnds(p *ordeal) {
	shortPipe.lay(p)
	p.Ends = newly(NewQueue[*Conn[int64]](2))
}

// checkTravelled is for a victim that has had an end of a pipe, which is in the queue when it
// is done, or is not. Whoever gets it there can use it; if nobody can, the peer is told.
func (p *ordeal) checkTravelled(in bool) {
	p.awaitDeath()
	end, err := p.Ends.TryGet()
	if errors.Is(err, ErrEmpty) {
		require.False(p, p.over && in)
		shortPipe.checkPeerDied(p)
		return
	}
	require.NoError(p, err)
	require.True(p, !p.over || in)
	require.NoError(p, p.peer.Send(p.ctx, 5))
	n, err := end.Recv(p.ctx)
	require.NoError(p, err)
	require.EqualValues(p, 5, n)
	require.NoError(p, end.Close())
	_, err = p.peer.Recv(p.ctx)
	require.Equal(p, io.EOF, err)
	require.NoError(p, p.peer.Close())
}
