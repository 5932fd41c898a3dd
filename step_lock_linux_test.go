package mp

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

func init() {
	addHoldFeats("Mutex.Lock", "Mutex.Unlock", 1, hold{
		lay:  func(p *ordeal) { p.Mutex = newly(NewMutex()) },
		take: func(ctx context.Context, s *scene) error { return s.Mutex.Lock(ctx) },
		give: func(_ context.Context, s *scene) error { return s.Mutex.Unlock() },
	})
	feats["Mutex.Unlock with a waiter"] = feat{
		lay:   func(p *ordeal) { p.Mutex, p.Counts = newly(NewMutex()), newly(NewArray[int64](stageCounts)) },
		ready: func(ctx context.Context, s *scene) error { return s.Mutex.Lock(ctx) },
		do:    func(_ context.Context, s *scene) error { return s.Mutex.Unlock() },
		by:    func(ctx context.Context, s *scene) error { return s.turn(ctx) },
		sleep: func(s *scene) bool { return asleep(s.Mutex.obj, 0) },
		check: func(p *ordeal) { p.checkLock(0) },
	}
	addHoldFeats("RWMutex.Lock", "RWMutex.Unlock", 1, hold{
		lay:  func(p *ordeal) { p.RW = newly(NewRWMutex()) },
		take: func(ctx context.Context, s *scene) error { return s.RW.Lock(ctx) },
		give: func(_ context.Context, s *scene) error { return s.RW.Unlock() },
	})
	addHoldFeats("RWMutex.RLock", "RWMutex.RUnlock", 0, hold{ // a dead reader leaves nothing to recover
		lay:  func(p *ordeal) { p.RW = newly(NewRWMutex()) },
		take: func(ctx context.Context, s *scene) error { return s.RW.RLock(ctx) },
		give: func(_ context.Context, s *scene) error { return s.RW.RUnlock() },
	})
	addHoldFeats("Holder.Lock", "Holder.Unlock", 1, hold{
		lay:  func(p *ordeal) { p.RLock = newly(NewRLock()) },
		take: func(ctx context.Context, s *scene) error { return holderOf(s).Lock(ctx) },
		give: func(_ context.Context, s *scene) error { return holderOf(s).Unlock() },
	})
	feats["Holder.Lock and Unlock, once more"] = feat{
		lay:   func(p *ordeal) { p.RLock, p.Counts = newly(NewRLock()), newly(NewArray[int64](stageCounts)) },
		ready: func(ctx context.Context, s *scene) error { return holderOf(s).Lock(ctx) },
		do:    func(ctx context.Context, s *scene) error { return then(holder.Lock(ctx), holder.Unlock) },
		by:    func(ctx context.Context, s *scene) error { return s.turn(ctx) },
		check: func(p *ordeal) { p.checkLock(1) },
	}
	feats["Once.Do"] = feat{
		lay: func(p *ordeal) { p.Once, p.Counts = newly(NewOnce()), newly(NewArray[int64](stageCounts)) },
		do:  func(ctx context.Context, s *scene) error { return s.doOnce(ctx) },
		by:  func(ctx context.Context, s *scene) error { return s.doOnce(ctx) },
		check: func(p *ordeal) {
			require.NoError(p, p.doOnce(p.ctx))
			p.awaitWitness()
			require.True(p, p.Once.Done())
			p.oneOf(2, 1, p.Counts.At(countDone)) // the victim may have died between doing it and saying so
		},
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

// A hold is a way to hold a lock.
type hold struct {
	lay        func(p *ordeal)
	take, give func(ctx context.Context, s *scene) error
}

// addHoldFeats adds that a victim takes a lock and that it gives it back. A victim that
// has the lock leaves it to be recovered so many times.
func addHoldFeats(take, give string, recovered int64, h hold) {
	lay := func(p *ordeal) {
		h.lay(p)
		p.Counts = newly(NewArray[int64](stageCounts))
	}
	by := func(ctx context.Context, s *scene) error { return s.turn(ctx) }
	feats[take] = feat{lay: lay, do: h.take, by: by, check: func(p *ordeal) { p.checkLock(recovered) }}
	feats[give] = feat{lay: lay, ready: h.take, do: h.give, by: by, check: func(p *ordeal) { p.checkLock(0) }}
}

// holder is the victim's, of the scene's lock.
var holder *Holder

func holderOf(s *scene) *Holder {
	if holder == nil {
		holder = s.RLock.Holder()
	}
	return holder
}

// doOnce does what is to be done once, and counts it.
func (s *scene) doOnce(ctx context.Context) error {
	return s.Once.Do(ctx, func() error {
		AddAt(s.Counts, countDone, 1)
		return nil
	})
}

// checkLock has the lock once, like the witness at the same time. When the victim was
// done, it must have been recovered so many times.
func (p *ordeal) checkLock(recovered int64) {
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
