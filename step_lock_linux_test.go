package mp

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

func init() {
	feats["Mutex.Lock"] = feat{
		lay:   layMutex,
		do:    func(ctx context.Context, s *scene) error { return s.Mutex.Lock(ctx) },
		by:    func(ctx context.Context, s *scene) error { return s.turn(ctx) },
		check: func(p *ordeal) { p.checkMutex(1) },
	}
	feats["Mutex.Unlock"] = feat{
		lay:   layMutex,
		ready: func(ctx context.Context, s *scene) error { return s.Mutex.Lock(ctx) },
		do:    func(_ context.Context, s *scene) error { return s.Mutex.Unlock() },
		by:    func(ctx context.Context, s *scene) error { return s.turn(ctx) },
		check: func(p *ordeal) { p.checkMutex(0) },
	}
	feats["Mutex.Unlock with a waiter"] = feat{
		lay:   layMutex,
		ready: func(ctx context.Context, s *scene) error { return s.Mutex.Lock(ctx) },
		do:    func(_ context.Context, s *scene) error { return s.Mutex.Unlock() },
		by:    func(ctx context.Context, s *scene) error { return s.turn(ctx) },
		sleep: func(s *scene) bool { return asleep(s.Mutex.obj, 0) },
		check: func(p *ordeal) { p.checkMutex(0) },
	}
	feats["Value.Update"] = feat{
		lay: func(p *ordeal) { p.Value = newly(NewValue(ledger{})) },
		do:  func(ctx context.Context, s *scene) error { return s.Value.Update(ctx, (*ledger).book) },
		by: func(ctx context.Context, s *scene) error {
			return errors.Join(s.Value.Update(ctx, (*ledger).book), s.bookIsSound())
		},
		check: func(p *ordeal) {
			require.NoError(p, p.bookIsSound())
			require.NoError(p, p.Value.Update(p.ctx, (*ledger).book))
			p.awaitWitness()
			p.oneOf(2, 3, p.Value.Load().Serial)
		},
	}
	feats["Value.Update of a word"] = feat{
		lay: func(p *ordeal) { p.Small = newly(NewValue[int64](10)) },
		do:  func(ctx context.Context, s *scene) error { return s.Small.Update(ctx, func(n *int64) { *n++ }) },
		by:  func(ctx context.Context, s *scene) error { return s.Small.Update(ctx, func(n *int64) { *n++ }) },
		check: func(p *ordeal) {
			p.awaitWitness()
			p.oneOf(11, 12, p.Small.Load())
		},
	}
}

// layMutex makes a mutex, and what is counted about it.
func layMutex(p *ordeal) {
	p.Mutex, p.Counts = newly(NewMutex()), newly(NewArray[int64](stageCounts))
}

// checkMutex has the lock once, like the witness at the same time. When the victim was
// done, it must have been recovered so many times.
func (p *ordeal) checkMutex(recovered int64) {
	require.NoError(p, p.turn(p.ctx))
	p.awaitWitness()
	n := p.Counts.At(countRecovered)
	require.LessOrEqual(p, n, int64(1))
	if p.over {
		require.Equal(p, recovered, n)
	}
}

// oneOf requires the result from before the feat or from after it; the latter if the
// victim was done.
func (p *ordeal) oneOf(before, after, got int64) {
	if p.over || got != before {
		require.Equal(p, after, got)
	}
}

func (s *scene) bookIsSound() error {
	if l := s.Value.Load(); !l.sound() {
		return errors.New("a mix of two values")
	}
	return nil
}

// asleep reports whether somebody sleeps on a word of an object.
func asleep(o *shm.Object, offset int) bool { return wordOf(o, offset).Load()&waitersBit != 0 }
