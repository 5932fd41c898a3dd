package mp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// A stage is one object of each kind that processes share.
type stage struct {
	Mutex   *Mutex
	Quiet   *Mutex // made with IgnoreOwnerDeath
	RW      *RWMutex
	RLock   *RLock
	Sem     *Semaphore        // of no permits
	Pong    *Semaphore        // for the answer to Sem
	Bounded *BoundedSemaphore // of one permit
	Event   *Event
	Answer  *Event // for the answer to Event
	Cond    *Cond
	Barrier *Barrier // of two parties
	Once    *Once
	Value   *Value[ledger]
	Small   *Value[int64]
	Array   *Array[int64] // of stageCounts elements
}

const stageCounts = 8

// newStage makes a stage. At the end of the test it is freed, and nothing may be
// left.
func newStage(t testing.TB) *stage {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			requireEmpty(t)
		}
	})
	return buildStage(t)
}

// buildStage makes a stage that is freed at the end of the test.
func buildStage(t testing.TB) *stage {
	t.Helper()
	s := makeStage(t)
	t.Cleanup(func() { giveBack(t, s.all()) })
	return s
}

func makeStage(t testing.TB) *stage {
	t.Helper()
	s, errs := new(stage), make([]error, 15)
	s.Mutex, errs[0] = NewMutex()
	s.Quiet, errs[1] = NewMutex(IgnoreOwnerDeath())
	s.RW, errs[2] = NewRWMutex()
	s.RLock, errs[3] = NewRLock()
	s.Sem, errs[4] = NewSemaphore(0)
	s.Pong, errs[5] = NewSemaphore(0)
	s.Bounded, errs[6] = NewBoundedSemaphore(1)
	s.Event, errs[7] = NewEvent()
	s.Answer, errs[8] = NewEvent()
	s.Barrier, errs[9] = NewBarrier(2)
	s.Once, errs[10] = NewOnce()
	s.Value, errs[11] = NewValue(ledger{})
	s.Small, errs[12] = NewValue[int64](0)
	s.Array, errs[13] = NewArray[int64](stageCounts)
	require.NoError(t, errors.Join(errs...))
	s.Cond, errs[14] = newCond()
	require.NoError(t, errs[14])
	return s
}

// newCond makes a Cond that has the only handle of its lock.
func newCond() (*Cond, error) {
	m, err := NewMutex()
	if err != nil {
		return nil, err
	}
	c, err := NewCond(m)
	return c, errors.Join(err, m.Free())
}

func (s *stage) all() []freer {
	return []freer{
		s.Mutex, s.Quiet, s.RW, s.RLock, s.Sem, s.Pong, s.Bounded, s.Event, s.Answer, s.Barrier, s.Once, s.Value,
		s.Small, s.Array, s.Cond,
	}
}

// A ledger is a value of many words that belong together.
type ledger struct {
	Serial  int64
	Flipped bool
	Entries [6]struct {
		Debit, Credit int64
		Note          [3]byte
	}
	Mean float64
}

// book makes the next ledger of l.
func (l *ledger) book() {
	l.Serial++
	l.Flipped = !l.Flipped
	for i := range l.Entries {
		e := &l.Entries[i]
		e.Debit, e.Credit = l.Serial*int64(i+1), -l.Serial*int64(i+1)
		e.Note = [3]byte{byte(l.Serial), byte(l.Serial >> 8), byte(i)}
	}
	l.Mean = float64(l.Serial) / 2
}

// sound reports whether l is what so many bookings make, and no mix.
func (l ledger) sound() bool {
	if l == (ledger{}) {
		return true
	}
	want := ledger{Serial: l.Serial - 1, Flipped: (l.Serial-1)%2 != 0}
	want.book()
	return l == want
}

// An actor is a process that does what it is told with the objects of a stage.
type actor struct {
	*Process
	t      testing.TB
	ctx    context.Context
	orders *Queue[string]
	said   *Queue[report]
}

// A report is what became of an order. Inside says that the order is being carried
// out: the actor is in a function that an object called.
type report struct {
	Act    string
	Err    string // name of the error; see nameOf
	Inside bool
}

// A role is what an actor gets.
type role struct {
	Stage  stage
	Orders *Queue[string]
	Said   *Queue[report]
}

// acting is the actors' function. Each order is carried out in its own goroutine.
var acting = Register("test.acting", perform)

func perform(ctx context.Context, in role) (int, error) {
	p := &player{stage: in.Stage, said: in.Said, holder: in.Stage.RLock.Holder(), leave: make(chan struct{})}
	for act, err := range in.Orders.All(ctx) {
		if err != nil {
			return 0, err
		}
		go p.play(ctx, act)
	}
	return 0, ctx.Err()
}

// A player is the other side of an actor.
type player struct {
	stage
	said   *Queue[report]
	holder *Holder
	leave  chan struct{} // closed to end the stay
}

// acts are what an actor can do.
var acts = map[string]func(ctx context.Context, p *player) error{}

func (p *player) play(ctx context.Context, act string) {
	f := acts[act]
	if f == nil {
		panic("no act " + act)
	}
	err := f(ctx, p)
	if act != "leave" { // what is left says how it ended
		_ = p.said.Put(ctx, report{Act: act, Err: nameOf(err)})
	}
}

// enter tells that the player is inside.
func (p *player) enter(act string) {
	_ = p.said.Put(context.Background(), report{Act: act, Inside: true})
}

// stay tells that the player is inside, and stays there until it is killed or told
// to leave.
func (p *player) stay(act string) {
	p.enter(act)
	<-p.leave
}

// nameOf is the text of the well-known error that err is, "" for nil.
func nameOf(err error) string {
	if err == nil {
		return ""
	}
	for _, known := range wellKnown {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}

// hire starts an actor for s, which is gone at the end of the test.
func (s *stage) hire(t testing.TB) *actor {
	t.Helper()
	a := s.engage(t)
	var err error
	a.Process, err = acting.Start(context.Background(), a.role(s))
	require.NoError(t, err)
	t.Cleanup(a.die)
	return a
}

// engage makes an actor that is still to be started.
func (s *stage) engage(t testing.TB) *actor {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	t.Cleanup(cancel)
	a := &actor{t: t, ctx: ctx}
	var err error
	a.orders, err = NewQueue[string](8)
	require.NoError(t, err)
	a.said, err = NewQueue[report](8)
	require.NoError(t, err)
	t.Cleanup(func() { giveBack(t, []freer{a.orders, a.said}) })
	return a
}

// role is what the actor gets.
func (a *actor) role(s *stage) role { return role{*s, a.orders, a.said} }

// die kills the actor and waits until it is gone.
func (a *actor) die() {
	_ = a.Kill()
	<-a.Done()
}

// tell gives an order.
func (a *actor) tell(act string) {
	a.t.Helper()
	require.NoError(a.t, a.orders.Put(a.ctx, act))
}

// hear waits until the actor says how an order went.
func (a *actor) hear(act string, want error) {
	a.t.Helper()
	r, err := a.said.Get(a.ctx)
	require.NoError(a.t, err, act)
	require.Equal(a.t, report{Act: act, Err: nameOf(want)}, r)
}

// does gives an order and waits until it has been carried out.
func (a *actor) does(act string) {
	a.t.Helper()
	a.tell(act)
	a.hear(act, nil)
}

// fails gives an order and waits until it has failed with an error.
func (a *actor) fails(act string, want error) {
	a.t.Helper()
	a.tell(act)
	a.hear(act, want)
}

// enters gives an order and waits until the actor is inside.
func (a *actor) enters(act string) {
	a.t.Helper()
	a.tell(act)
	r, err := a.said.Get(a.ctx)
	require.NoError(a.t, err, act)
	require.Equal(a.t, report{Act: act, Inside: true}, r)
}

// performs gives orders, one after the other. If inside, the last one does not end.
func (a *actor) performs(orders []string, inside bool) {
	a.t.Helper()
	for i, act := range orders {
		if inside && i == len(orders)-1 {
			a.enters(act)
		} else {
			a.does(act)
		}
	}
}

// leaves has the actor end its stay in an order.
func (a *actor) leaves(act string) {
	a.t.Helper()
	a.tell("leave")
	a.hear(act, nil)
}

func init() {
	for act, f := range map[string]func(ctx context.Context, p *player) error{
		"lock":         func(ctx context.Context, p *player) error { return p.Mutex.Lock(ctx) },
		"unlock":       func(_ context.Context, p *player) error { return p.Mutex.Unlock() },
		"lock quiet":   func(ctx context.Context, p *player) error { return p.Quiet.Lock(ctx) },
		"unlock quiet": func(ctx context.Context, p *player) error { return p.Quiet.Unlock() },
		"write":        func(ctx context.Context, p *player) error { return p.RW.Lock(ctx) },
		"end writing":  func(_ context.Context, p *player) error { return p.RW.Unlock() },
		"read":         func(ctx context.Context, p *player) error { return p.RW.RLock(ctx) },
		"end reading":  func(_ context.Context, p *player) error { return p.RW.RUnlock() },
		"hold":         func(ctx context.Context, p *player) error { return p.holder.Lock(ctx) },
		"let go":       func(_ context.Context, p *player) error { return p.holder.Unlock() },
		"acquire":      func(ctx context.Context, p *player) error { return p.Sem.Acquire(ctx) },
		"release":      func(_ context.Context, p *player) error { return p.Sem.Release(1) },
		"take":         func(ctx context.Context, p *player) error { return p.Bounded.Acquire(ctx) },
		"give back":    func(_ context.Context, p *player) error { return p.Bounded.Release() },
		"set":          func(_ context.Context, p *player) error { return p.Event.Set() },
		"clear":        func(_ context.Context, p *player) error { return p.Event.Clear() },
		"await":        func(ctx context.Context, p *player) error { return p.Event.Wait(ctx) },
		"wait":         func(ctx context.Context, p *player) error { return waitFor(ctx, p.Cond) },
		"lock cond":    func(ctx context.Context, p *player) error { return p.Cond.Mutex().Lock(ctx) },
		"unlock cond":  func(_ context.Context, p *player) error { return p.Cond.Mutex().Unlock() },
		"notify":       func(_ context.Context, p *player) error { return p.Cond.Notify(1) },
		"notify all":   func(_ context.Context, p *player) error { return p.Cond.NotifyAll() },
		"meet":         func(ctx context.Context, p *player) error { _, err := p.Barrier.Wait(ctx); return err },
		"do once":      func(ctx context.Context, p *player) error { return p.Once.Do(ctx, p.count(0)) },
		"book":         func(ctx context.Context, p *player) error { return p.Value.Update(ctx, (*ledger).book) },
		"raise small":  func(ctx context.Context, p *player) error { return p.Small.Update(ctx, func(n *int64) { *n++ }) },
		"count":        func(ctx context.Context, p *player) error { return p.Array.Update(ctx, raise) },
		"recover":      func(ctx context.Context, p *player) error { return p.Mutex.Recover(ctx, nil) },

		"stay in once": func(ctx context.Context, p *player) error {
			return p.Once.Do(ctx, func() error { p.stay("stay in once"); return nil })
		},
		"stay in update": func(ctx context.Context, p *player) error {
			return p.Value.Update(ctx, func(l *ledger) {
				l.Serial, l.Entries[3].Debit = -7, 13
				p.stay("stay in update")
				*l = ledger{}
				l.book()
			})
		},
		"stay in small update": func(ctx context.Context, p *player) error {
			return p.Small.Update(ctx, func(n *int64) {
				*n = -7
				p.stay("stay in small update")
				*n = 1
			})
		},
		"stay in array": func(ctx context.Context, p *player) error {
			return p.Array.Update(ctx, func(counts []int64) {
				counts[0]++
				p.stay("stay in array")
				counts[1]++
			})
		},
		"stay in action": func(ctx context.Context, p *player) error {
			if err := p.Barrier.SetAction(func() error { p.stay("stay in action"); return nil }); err != nil {
				return err
			}
			_, err := p.Barrier.Wait(ctx)
			return err
		},
		"leave": func(_ context.Context, p *player) error { close(p.leave); return nil },
	} {
		acts[act] = f
	}
	for name, repair := range map[string]func(ctx context.Context, p *player, repair func() error) error{
		"mutex":   func(ctx context.Context, p *player, repair func() error) error { return p.Mutex.Recover(ctx, repair) },
		"rwmutex": func(ctx context.Context, p *player, repair func() error) error { return p.RW.Recover(ctx, repair) },
		"rlock":   func(ctx context.Context, p *player, repair func() error) error { return p.RLock.Recover(ctx, repair) },
		"cond": func(ctx context.Context, p *player, repair func() error) error {
			return p.Cond.Mutex().Recover(ctx, repair)
		},
		"array": func(ctx context.Context, p *player, repair func() error) error {
			return p.Array.Recover(ctx, func([]int64) error { return repair() })
		},
	} {
		act := "stay in recovery of " + name
		acts[act] = func(ctx context.Context, p *player) error {
			return repair(ctx, p, func() error { p.stay(act); return nil })
		}
	}
}

// count makes a function that counts its runs in an element of the array.
func (s *stage) count(element int) func() error {
	return func() error { AddAt(s.Array, element, 1); return nil }
}

// raise raises the first two counts, which are always equal between two updates.
func raise(counts []int64) { counts[0]++; counts[1]++ }

// waitFor waits for one notification.
func waitFor(ctx context.Context, c *Cond) error {
	return c.Mutex().With(ctx, func() error { return c.Wait(ctx) })
}

func meet(ctx context.Context, s *stage) error { _, err := s.Barrier.Wait(ctx); return err }

func nothing() error { return nil }

// then runs f unless something has failed.
func then(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

// equal reports what is wrong with a count.
func equal(want, got int) error {
	if want != got {
		return fmt.Errorf("%d where %d is due", got, want)
	}
	return nil
}

// Words of the objects, as their byte tables in ipc say.
func wordOf(o *shm.Object, offset int) *atomic.Uint32 {
	return shm.At[atomic.Uint32](o.Bytes(), offset)
}

// waitersBit is set in a word on which somebody sleeps.
const waitersBit = 1 << 31

// slept makes a function that reports whether somebody sleeps on a word.
func slept(o func(s *stage) *shm.Object, offset int) func(s *stage) bool {
	return func(s *stage) bool { return wordOf(o(s), offset).Load()&waitersBit != 0 }
}

// begin runs f in a goroutine and returns where its result will be.
func begin(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// within is a context that ends when a test hangs.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	t.Cleanup(cancel)
	return ctx
}

// killMyself ends this process as a SIGKILL from elsewhere would.
func killMyself() {
	killProcess(os.Getpid())
	select {}
}
