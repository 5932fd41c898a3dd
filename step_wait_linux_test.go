package mp

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"
)

func init() {
	feats["Semaphore.Acquire"] = feat{
		lay: func(p *ordeal) { p.Sem = newly(NewSemaphore(2)) },
		do:  func(ctx context.Context, s *scene) error { return s.Sem.Acquire(ctx) },
		check: func(p *ordeal) {
			require.NoError(p, p.Sem.Acquire(p.ctx)) // at once
			p.awaitDeath()
			p.oneOf(1, 0, int64(p.Sem.Value()))
			require.NoError(p, p.Sem.Release(1))
			require.NoError(p, p.Sem.Acquire(p.ctx))
		},
	}
	feats["Semaphore.Release"] = feat{
		lay: func(p *ordeal) { p.Sem = newly(NewSemaphore(0)) },
		do:  func(_ context.Context, s *scene) error { return s.Sem.Release(1) },
		check: func(p *ordeal) {
			p.awaitDeath()
			p.oneOf(0, 1, int64(p.Sem.Value()))
		},
	}
	feats["Semaphore.Release to a waiter"] = feat{
		lay:   func(p *ordeal) { p.Sem = newly(NewSemaphore(0)) },
		do:    func(_ context.Context, s *scene) error { return s.Sem.Release(1) },
		by:    func(ctx context.Context, s *scene) error { return s.Sem.Acquire(ctx) },
		sleep: func(s *scene) bool { return asleep(s.Sem.obj, 0) },
		check: func(p *ordeal) {
			p.awaitDeath()
			eventually(p, func() bool { return p.hasWitnessed() || !p.over && p.Sem.Value() == 0 }, "a permit that arrives")
			if !p.reported {
				require.NoError(p, p.Sem.Release(1))
				p.awaitWitness()
				require.LessOrEqual(p, p.Sem.Value(), 1)
			}
		},
	}
	feats["BoundedSemaphore.Acquire"] = feat{
		lay:   func(p *ordeal) { p.Bounded = newly(NewBoundedSemaphore(2)) },
		do:    func(ctx context.Context, s *scene) error { return s.Bounded.Acquire(ctx) },
		check: func(p *ordeal) { p.checkPermits(2) },
	}
	feats["BoundedSemaphore.Release"] = feat{
		lay:   func(p *ordeal) { p.Bounded = newly(NewBoundedSemaphore(2)) },
		ready: func(ctx context.Context, s *scene) error { return s.Bounded.Acquire(ctx) },
		do:    func(_ context.Context, s *scene) error { return s.Bounded.Release() },
		check: func(p *ordeal) { p.checkPermits(2) },
	}
	feats["BoundedSemaphore.Release to a waiter"] = feat{
		lay:   func(p *ordeal) { p.Bounded = newly(NewBoundedSemaphore(1)) },
		ready: func(ctx context.Context, s *scene) error { return s.Bounded.Acquire(ctx) },
		do:    func(_ context.Context, s *scene) error { return s.Bounded.Release() },
		by: func(ctx context.Context, s *scene) error {
			return then(s.Bounded.Acquire(ctx), s.Bounded.Release)
		},
		sleep: func(s *scene) bool { return asleep(s.Bounded.obj, 0) },
		check: func(p *ordeal) {
			p.awaitWitness()
			p.checkPermits(1)
		},
	}
	feats["Event.Set with a waiter"] = feat{
		lay:   func(p *ordeal) { p.Event = newly(NewEvent()) },
		do:    func(_ context.Context, s *scene) error { return s.Event.Set() },
		by:    func(ctx context.Context, s *scene) error { return s.Event.Wait(ctx) },
		sleep: func(s *scene) bool { return asleep(s.Event.obj, 0) },
		check: func(p *ordeal) {
			p.awaitDeath()
			if !p.Event.IsSet() {
				require.False(p, p.over)
				require.NoError(p, p.Event.Set())
			}
			p.awaitWitness()
		},
	}
	feats["Event.Clear"] = feat{
		lay: func(p *ordeal) {
			p.Event = newly(NewEvent())
			require.NoError(p, p.Event.Set())
		},
		do: func(_ context.Context, s *scene) error { return s.Event.Clear() },
		check: func(p *ordeal) {
			p.awaitDeath()
			require.False(p, p.over && p.Event.IsSet())
			require.NoError(p, p.Event.Set())
			require.NoError(p, p.Event.Wait(p.ctx))
		},
	}
	feats["Cond.Notify, with the lock"] = feat{
		lay: func(p *ordeal) { p.Cond = newly(newCond()) },
		do: func(ctx context.Context, s *scene) error {
			return s.Cond.Mutex().With(ctx, func() error { return s.Cond.Notify(1) })
		},
		by: func(ctx context.Context, s *scene) error {
			if err := waitFor(ctx, s.Cond); !errors.Is(err, ErrOwnerDied) {
				return err
			}
			return nil // it was notified, and had no lock
		},
		sleep: func(s *scene) bool { return s.Cond.Waiting() == 1 },
		check: checkCond,
	}
	feats["Barrier.Wait of the last party"] = feat{
		lay: func(p *ordeal) { p.Barrier = newly(NewBarrier(2)) },
		ready: func(ctx context.Context, _ *scene) error { // whoever waits first looks for how many CPUs there are
			b, err := NewBarrier(1)
			return then(err, func() error {
				_, err := b.Wait(ctx)
				return errors.Join(err, b.Free())
			})
		},
		do: func(ctx context.Context, s *scene) error { _, err := s.Barrier.Wait(ctx); return err },
		by: func(ctx context.Context, s *scene) error {
			if _, err := s.Barrier.Wait(ctx); !errors.Is(err, ErrBrokenBarrier) {
				return err
			}
			return nil // the other died
		},
		sleep: func(s *scene) bool { return s.Barrier.Waiting() == 1 },
		check: checkBarrier,
	}
}

// checkBarrier is for a victim that may have come as the last party of a barrier, where
// the witness waits. If it was done, or died there, the witness needs no help.
func checkBarrier(p *ordeal) {
	ctx, cancel := context.WithCancel(p.ctx)
	other := make(<-chan error)
	if !p.over { // perhaps the victim never came
		other = begin(func() error { return p.meet(ctx) })
	}
	p.awaitWitness()
	cancel()
	if !p.over {
		<-other
	}
	if p.Barrier.Broken() {
		require.False(p, p.over)
		require.NoError(p, p.Barrier.Reset())
	}
	other = begin(func() error { return p.meet(p.ctx) })
	require.NoError(p, p.meet(p.ctx))
	require.NoError(p, <-other)
}

func (s *scene) meet(ctx context.Context) error { _, err := s.Barrier.Wait(ctx); return err }

// checkPermits acquires all permits there are, and no more.
func (p *ordeal) checkPermits(n int) {
	for range n {
		require.NoError(p, p.Bounded.Acquire(p.ctx))
	}
	more, err := p.Bounded.TryAcquire()
	require.NoError(p, err)
	require.False(p, more)
	for range n {
		require.NoError(p, p.Bounded.Release())
	}
	require.Equal(p, n, p.Bounded.Value())
}

// checkCond is for a victim that notifies the witness, with the lock. If it was done,
// the witness needs no help.
func checkCond(p *ordeal) {
	if p.over {
		p.awaitWitness()
	}
	s := scene{Mutex: p.Cond.Mutex(), Counts: newly(NewArray[int64](stageCounts))}
	require.NoError(p, s.take(p.ctx, s.Mutex))
	require.NoError(p, p.Cond.NotifyAll())
	require.NoError(p, s.Mutex.Unlock())
	require.NoError(p, s.Counts.Free())
	p.awaitWitness()
}
