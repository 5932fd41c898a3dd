package mp

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/spin"
	"github.com/mpgo/mp/shm"
)

// Whoever lets others go on stores into a shared word and then calls the kernel to
// wake them. These acts are killed between the two: they store what the operation
// stores, as ipc's byte tables say, and die. Each gives the name of the operation.
func init() {
	for act, f := range map[string]func(p *player){
		"Mutex.Unlock":   func(p *player) { bareUnlock(p.Mutex.obj, 0) },
		"RLock's Unlock": func(p *player) { bareUnlock(p.RLock.obj, 0) },
		"RWMutex.Unlock": func(p *player) {
			wordOf(p.RW.obj, 8).Store(0) // admitted
			bareUnlock(p.RW.obj, 0)
		},
		"RWMutex.RUnlock": func(p *player) { // the roster's entry of this process
			shm.At[atomic.Uint64](p.RW.obj.Bytes(), 16+8*mySlot()).Add(^uint64(0))
		},
		"RWMutex.RUnlock, published": func(p *player) {
			shm.At[atomic.Uint64](p.RW.obj.Bytes(), 16+8*mySlot()).Add(^uint64(0))
			barePublish(wordOf(p.RW.obj, 12))
		},
		"Semaphore.Release": func(p *player) {
			w := wordOf(p.Sem.obj, 0)
			w.Store(w.Load()&^waitersBit + 1)
		},
		"BoundedSemaphore.Release": func(p *player) { wordOf(p.Bounded.obj, 12).Store(0) },
		"BoundedSemaphore.Release, published": func(p *player) {
			wordOf(p.Bounded.obj, 12).Store(0)
			barePublish(wordOf(p.Bounded.obj, 0))
		},
		"Event.Set": func(p *player) {
			w := wordOf(p.Event.obj, 0)
			w.Store((w.Load()+2)&^waitersBit | 1)
		},
		"Cond.Notify": func(p *player) { bareGrant(p, Parent().incarnation.Slot()) },
		"Cond.Notify, published": func(p *player) {
			bareGrant(p, Parent().incarnation.Slot())
			barePublish(shm.At[atomic.Uint32](condBytes(p), 0))
		},
		"Barrier.Wait of the last party": func(p *player) { bareRound(p) },
		"Barrier.Wait of the last party, published": func(p *player) {
			bareRound(p)
			barePublish(wordOf(p.Barrier.obj, 8))
		},
		"Barrier.Abort": func(p *player) {
			shm.At[atomic.Uint64](p.Barrier.obj.Bytes(), 0).Or(1 << 16)
		},
		"Once.Do, done": func(p *player) { wordOf(p.Once.obj, 8).Store(1) },
		"Once.Do, unlocked": func(p *player) {
			wordOf(p.Once.obj, 8).Store(1)
			bareUnlock(p.Once.obj, 0)
		},
		"Value.Update, unlocked":             func(p *player) { bareUnlock(p.Value.obj, 8) },
		"Value.Update of one word, unlocked": func(p *player) { bareUnlock(p.Small.obj, 8) },
		"Array.Update, unlocked":             func(p *player) { bareUnlock(p.Array.obj, 0) },
	} {
		acts["die in "+act] = func(_ context.Context, p *player) error {
			f(p)
			killMyself()
			return nil
		}
	}
}

func mySlot() int {
	a, err := arena()
	if err != nil {
		panic(err)
	}
	return a.Self().Slot()
}

// bareUnlock is MutexState.release without the wake-up.
func bareUnlock(o *shm.Object, offset int) {
	if wordOf(o, offset+4).Load() != 0 { // there is an heir
		wordOf(o, offset).Store(waitersBit)
		return
	}
	wordOf(o, offset).Store(0)
}

// barePublish is news.publish without the wake-up.
func barePublish(w *atomic.Uint32) { w.Store((w.Load() + 1) &^ waitersBit) }

func condBytes(p *player) []byte {
	b, err := p.Cond.obj.Payload()
	if err != nil {
		panic(err)
	}
	return b
}

// bareGrant notifies one waiter of a process.
func bareGrant(p *player, slot int) {
	shm.At[atomic.Uint64](condBytes(p), 8+8*slot).Add(1 << 16)
}

// bareRound ends the barrier's round as its last party does.
func bareRound(p *player) {
	state := shm.At[atomic.Uint64](p.Barrier.obj.Bytes(), 0)
	r := state.Load()
	number, history := r>>33, r>>17&(1<<16-1)
	a, _ := arena()
	shm.At[atomic.Uint64](p.Barrier.obj.Bytes(), 16+8*mySlot()).Store(uint64(a.Self())<<32 | number)
	state.Store((number+1)<<33 | (history<<1&(1<<16-1)|1)<<17)
}

// A bareWake is a kill between the store and the wake-up of an operation.
type bareWake struct {
	in     string   // the operation
	before []string // what the victim does first
	inside bool     // it is inside of the last of these
	late   bool     // and does it when somebody waits already

	wait   func(ctx context.Context, s *stage) error // and undo what was waited for
	asleep func(s *stage) bool
	want   error // of wait
	check  func(ctx context.Context, s *stage) error
}

var bareWakes = []bareWake{
	{
		in: "Mutex.Unlock", before: []string{"lock"},
		wait:   func(ctx context.Context, s *stage) error { return s.Mutex.With(ctx, nothing) },
		asleep: slept(func(s *stage) *shm.Object { return s.Mutex.obj }, 0),
	},
	{
		in: "RLock's Unlock", before: []string{"hold"},
		wait: func(ctx context.Context, s *stage) error {
			h := s.RLock.Holder()
			return then(h.Lock(ctx), h.Unlock)
		},
		asleep: slept(func(s *stage) *shm.Object { return s.RLock.obj }, 0),
	},
	{in: "RWMutex.Unlock", before: []string{"write"}, wait: writes, asleep: sleptForWriter},
	{in: "RWMutex.Unlock", before: []string{"write"}, wait: reads, asleep: sleptForWriter},
	{in: "RWMutex.RUnlock", before: []string{"read"}, wait: writes, asleep: sleptForReaders},
	{in: "RWMutex.RUnlock, published", before: []string{"read"}, wait: writes, asleep: sleptForReaders},
	{
		in:     "Semaphore.Release",
		wait:   func(ctx context.Context, s *stage) error { return s.Sem.Acquire(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Sem.obj }, 0),
		check:  func(_ context.Context, s *stage) error { return equal(0, s.Sem.Value()) },
	},
	{in: "BoundedSemaphore.Release", before: []string{"take"}, wait: takesPermit, asleep: sleptForPermit},
	{in: "BoundedSemaphore.Release, published", before: []string{"take"}, wait: takesPermit, asleep: sleptForPermit},
	{
		in:     "Event.Set",
		wait:   func(ctx context.Context, s *stage) error { return s.Event.Wait(ctx) },
		asleep: slept(func(s *stage) *shm.Object { return s.Event.obj }, 0),
	},
	{
		// Notify is called with the lock, so its killer gets that, too.
		in: "Cond.Notify", before: []string{"lock cond"}, late: true,
		wait: waitsForCond, asleep: sleptForCond, want: ErrOwnerDied,
		check: func(ctx context.Context, s *stage) error { return s.Cond.Mutex().Recover(ctx, nil) },
	},
	{
		in: "Cond.Notify, published", before: []string{"lock cond"}, late: true,
		wait: waitsForCond, asleep: sleptForCond, want: ErrOwnerDied,
		check: func(ctx context.Context, s *stage) error { return s.Cond.Mutex().Recover(ctx, nil) },
	},
	{
		in:   "Barrier.Wait of the last party",
		wait: meet, asleep: func(s *stage) bool { return s.Barrier.Waiting() == 1 },
		check: func(ctx context.Context, s *stage) error { return meetAll(ctx, s.Barrier) },
	},
	{
		in:   "Barrier.Wait of the last party, published",
		wait: meet, asleep: func(s *stage) bool { return s.Barrier.Waiting() == 1 },
		check: func(ctx context.Context, s *stage) error { return meetAll(ctx, s.Barrier) },
	},
	{
		in:   "Barrier.Abort",
		wait: meet, asleep: func(s *stage) bool { return s.Barrier.Waiting() == 1 }, want: ErrBrokenBarrier,
		check: func(ctx context.Context, s *stage) error {
			return then(s.Barrier.Reset(), func() error { return meetAll(ctx, s.Barrier) })
		},
	},
	{
		in: "Once.Do, done", before: []string{"stay in once"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Once.Do(ctx, s.count(0)) },
		asleep: slept(func(s *stage) *shm.Object { return s.Once.obj }, 0),
		check:  func(_ context.Context, s *stage) error { return equal(0, int(s.Array.At(0))) },
	},
	{
		in: "Once.Do, unlocked", before: []string{"stay in once"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Once.Do(ctx, s.count(0)) },
		asleep: slept(func(s *stage) *shm.Object { return s.Once.obj }, 0),
		check:  func(_ context.Context, s *stage) error { return equal(0, int(s.Array.At(0))) },
	},
	{
		in: "Value.Update, unlocked", before: []string{"stay in update"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Value.Update(ctx, (*ledger).book) },
		asleep: slept(func(s *stage) *shm.Object { return s.Value.obj }, 8),
		check:  func(_ context.Context, s *stage) error { return equal(1, int(s.Value.Load().Serial)) },
	},
	{
		in: "Value.Update of one word, unlocked", before: []string{"stay in small update"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Small.Update(ctx, func(n *int64) { *n++ }) },
		asleep: slept(func(s *stage) *shm.Object { return s.Small.obj }, 8),
		check:  func(_ context.Context, s *stage) error { return equal(1, int(s.Small.Load())) },
	},
	{
		in: "Array.Update, unlocked", before: []string{"stay in array"}, inside: true,
		wait:   func(ctx context.Context, s *stage) error { return s.Array.Update(ctx, raise) },
		asleep: slept(func(s *stage) *shm.Object { return s.Array.obj }, 0),
		check:  func(_ context.Context, s *stage) error { return equal(2, int(s.Array.At(0))) },
	},
}

func writes(ctx context.Context, s *stage) error { return then(s.RW.Lock(ctx), s.RW.Unlock) }
func reads(ctx context.Context, s *stage) error  { return then(s.RW.RLock(ctx), s.RW.RUnlock) }

func takesPermit(ctx context.Context, s *stage) error {
	return then(s.Bounded.Acquire(ctx), s.Bounded.Release)
}

// waitsForCond holds the lock if it returns nil.
func waitsForCond(ctx context.Context, s *stage) error {
	return then(s.Cond.Mutex().Lock(ctx), func() error { return s.Cond.Wait(ctx) })
}

var (
	sleptForWriter  = slept(func(s *stage) *shm.Object { return s.RW.obj }, 0)
	sleptForReaders = slept(func(s *stage) *shm.Object { return s.RW.obj }, 12)
	sleptForPermit  = slept(func(s *stage) *shm.Object { return s.Bounded.obj }, 0)
	sleptForCond    = func(s *stage) bool { return s.Cond.Waiting() > 0 }
)

func TestAWakerKilledRightAfterItsStoreIsNotMissed(t *testing.T) {
	for _, w := range bareWakes {
		t.Run(w.in, func(t *testing.T) {
			s := newStage(t)
			victim := s.hire(t)
			ctx := within(t)
			var done <-chan error
			comeAndSleep := func() {
				done = begin(func() error { return w.wait(ctx, s) })
				eventually(t, func() bool { return w.asleep(s) && asleepInKernel(t, os.Getpid()) > 0 }, "somebody who sleeps")
			}
			if w.late || w.before == nil {
				comeAndSleep()
			}
			victim.performs(w.before, w.inside)
			if done == nil {
				comeAndSleep()
			}
			require.Empty(t, done)
			victim.tell("die in " + w.in)
			<-victim.Done()
			require.ErrorIs(t, <-done, w.want)
			if w.check != nil {
				require.NoError(t, w.check(ctx, s))
			}
		})
	}
}

// A game is two processes that let each other go on, move by move. One of them is
// killed in the middle of it.
type game struct {
	name    string
	move    func(ctx context.Context, s *stage) error
	partner func(ctx context.Context, p *player) error // its move

	// owed reports whether this process must go on when the other one is dead. It is
	// nil if it always must.
	owed func(s *stage) bool

	// finish plays the dead one's part once, where that is needed to end the move.
	finish func(ctx context.Context, s *stage) error

	clean func(ctx context.Context, s *stage) error // makes all as at first
}

var games = []game{
	{
		name: "Mutex",
		move: func(ctx context.Context, s *stage) error {
			return recovering(ctx, s.Mutex.Lock, s.Mutex.Recover, s.Mutex.Unlock)
		},
		partner: func(ctx context.Context, p *player) error { return p.Mutex.With(ctx, nothing) },
	},
	{
		name: "RWMutex, writers",
		move: func(ctx context.Context, s *stage) error {
			return recovering(ctx, s.RW.Lock, s.RW.Recover, s.RW.Unlock)
		},
		partner: func(ctx context.Context, p *player) error { return writes(ctx, &p.stage) },
	},
	{
		name:    "RWMutex, a writer among readers",
		move:    writes,
		partner: func(ctx context.Context, p *player) error { return reads(ctx, &p.stage) },
	},
	{
		name: "RWMutex, a reader among writers",
		move: func(ctx context.Context, s *stage) error {
			return recovering(ctx, s.RW.RLock, s.RW.Recover, s.RW.RUnlock)
		},
		partner: func(ctx context.Context, p *player) error { return writes(ctx, &p.stage) },
	},
	{
		name: "RLock",
		move: func(ctx context.Context, s *stage) error {
			h := s.RLock.Holder()
			return recovering(ctx, h.Lock, s.RLock.Recover, h.Unlock)
		},
		partner: func(ctx context.Context, p *player) error {
			return errors.Join(p.holder.Lock(ctx), p.holder.Lock(ctx), p.holder.Unlock(), p.holder.Unlock())
		},
	},
	{
		name:    "BoundedSemaphore",
		move:    takesPermit,
		partner: func(ctx context.Context, p *player) error { return takesPermit(ctx, &p.stage) },
	},
	{
		name: "Semaphore",
		move: func(ctx context.Context, s *stage) error {
			return then(s.Sem.Release(1), func() error { return s.Pong.Acquire(ctx) })
		},
		partner: func(ctx context.Context, p *player) error {
			return then(p.Sem.Acquire(ctx), func() error { return p.Pong.Release(1) })
		},
		owed: func(s *stage) bool { return s.Pong.Value() > 0 },
		clean: func(_ context.Context, s *stage) error {
			_, err := s.Sem.TryAcquire()
			return err
		},
	},
	{
		name: "Event",
		move: func(ctx context.Context, s *stage) error {
			return errors.Join(s.Answer.Clear(), s.Event.Set(), s.Answer.Wait(ctx))
		},
		partner: func(ctx context.Context, p *player) error {
			return then(p.Event.Wait(ctx), func() error { return errors.Join(p.Event.Clear(), p.Answer.Set()) })
		},
		owed:  func(s *stage) bool { return s.Answer.IsSet() },
		clean: func(_ context.Context, s *stage) error { return s.Event.Clear() },
	},
	{
		name:    "Cond",
		move:    func(ctx context.Context, s *stage) error { return turn(ctx, s, 0) },
		partner: func(ctx context.Context, p *player) error { return turn(ctx, &p.stage, 1) },
		owed:    func(s *stage) bool { return s.Cond.Waiting() == 0 },
		clean: func(ctx context.Context, s *stage) error {
			s.Array.Set(0, 0)
			if err := s.Cond.Mutex().Recover(ctx, nil); !errors.Is(err, ErrHealthy) {
				return err
			}
			return nil
		},
	},
	{
		name:    "Barrier",
		move:    meet,
		partner: func(ctx context.Context, p *player) error { return meet(ctx, &p.stage) },
		finish:  meet,
		clean:   func(_ context.Context, s *stage) error { return s.Barrier.Reset() },
	},
	{
		name:    "Value.Update",
		move:    func(ctx context.Context, s *stage) error { return s.Value.Update(ctx, (*ledger).book) },
		partner: func(ctx context.Context, p *player) error { return p.Value.Update(ctx, (*ledger).book) },
	},
	{
		name: "Array.Update",
		move: func(ctx context.Context, s *stage) error {
			err := s.Array.Update(ctx, raise)
			for errors.Is(err, ErrOwnerDied) {
				err = s.Array.Recover(ctx, func(counts []int64) error { counts[1] = counts[0]; return nil })
			}
			return err
		},
		partner: func(ctx context.Context, p *player) error { return p.Array.Update(ctx, raise) },
	},
}

// recovering locks, repairs what has to be, and unlocks.
func recovering(ctx context.Context, lock func(context.Context) error, repair func(context.Context, func() error) error, unlock func() error) error {
	err := lock(ctx)
	for errors.Is(err, ErrOwnerDied) {
		if err = repair(ctx, nil); err == nil || errors.Is(err, ErrHealthy) {
			err = lock(ctx)
		}
	}
	return then(err, unlock)
}

// turn waits until the first count is who's, and gives the turn to the other.
func turn(ctx context.Context, s *stage, who int64) error {
	m := s.Cond.Mutex()
	err := m.Lock(ctx)
	if errors.Is(err, ErrOwnerDied) {
		err = then(m.Recover(ctx, nil), func() error { return m.Lock(ctx) })
	}
	if err != nil {
		return err
	}
	if err = s.Cond.WaitFor(ctx, func() bool { return s.Array.At(0) == who }); err == nil {
		s.Array.Set(0, 1-who)
		err = s.Cond.Notify(1)
	}
	if errors.Is(err, ErrOwnerDied) {
		return err // the lock is not held
	}
	return errors.Join(err, m.Unlock())
}

func init() {
	for _, g := range games {
		acts["play "+g.name] = func(ctx context.Context, p *player) error {
			p.enter("play " + g.name)
			for {
				if err := g.partner(ctx, p); err != nil {
					return err
				}
			}
		}
	}
}

func TestAPartnerKilledInTheMiddleOfAGame(t *testing.T) {
	kills := 15
	if brief() {
		kills = 3
	}
	for _, g := range games {
		t.Run(g.name, func(t *testing.T) {
			s := newStage(t)
			rng := rand.New(rand.NewPCG(1, uint64(len(g.name))))
			for range kills {
				g.play(t, s, rng.IntN(300), rng.IntN(2000))
			}
			require.True(t, s.Value.Load().sound())
			require.Equal(t, 1, s.Bounded.Value())
			require.Zero(t, s.RW.Readers())
			for name, locked := range map[string]bool{
				"Mutex": s.Mutex.Locked(), "RWMutex": s.RW.Locked(), "RLock": s.RLock.Locked(), "Cond": s.Cond.Mutex().Locked(),
			} {
				require.False(t, locked, name)
			}
		})
	}
}

// play plays against a new partner, which is killed after so many moves and a
// moment more.
func (g game) play(t *testing.T, s *stage, moves, moment int) {
	t.Helper()
	partner := s.hire(t)
	ctx, quit := context.WithCancel(within(t))
	defer quit()
	var done atomic.Int64
	partner.enters("play " + g.name)
	end := begin(func() error {
		for ; ; done.Add(1) {
			if err := g.move(ctx, s); err != nil {
				return err
			}
		}
	})
	moved := func(n int64) func() bool { return func() bool { return done.Load() >= n || len(end) > 0 } }
	eventually(t, moved(int64(moves)), "so many moves")
	require.Empty(t, end, "nobody has died yet")
	for range moment {
		spin.Pause(1)
	}
	partner.die()
	switch {
	case g.owed != nil:
		eventually(t, func() bool { return len(end) > 0 || !g.owed(s) }, "what the dead one has given")
	case g.finish != nil:
		if err := g.finish(ctx, s); err != nil {
			require.ErrorIs(t, err, ErrBrokenBarrier)
		}
	default:
		eventually(t, moved(done.Load()+3), "more moves, alone")
		require.Empty(t, end)
	}
	quit()
	if err := <-end; !errors.Is(err, context.Canceled) && !errors.Is(err, ErrBrokenBarrier) {
		require.ErrorIs(t, err, ErrOwnerDied)
	}
	if g.clean != nil {
		require.NoError(t, g.clean(within(t), s))
	}
}
