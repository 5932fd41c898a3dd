//go:build explore

package ipc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mpgo/mp/internal/explore"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

func init() {
	models["mutex/two"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredMutex(2, 2)}
	models["mutex/two deaths"] = explore.Model{Preemptions: 3, Kills: 2, Setup: exploredMutex(2, 2)}
	models["mutex/three"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredMutex(3, 1)}
	models["mutex/heir"] = explore.Model{Preemptions: 3, Kills: 1, Ticks: 2, Setup: exploredMutex(2, 2)}
	models["mutex/cancel"] = explore.Model{Preemptions: 1, Kills: 1, Setup: exploredCancel}
	models["rwmutex/two"] = explore.Model{Preemptions: explore.Unbounded, Kills: 1, Setup: exploredRWMutex(2)}
	models["rwmutex/three"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredRWMutex(3)}
	models["once"] = explore.Model{Preemptions: 2, Kills: 2, Setup: exploredOnce}
	models["semaphore/four"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredSemaphore}
	models["semaphore/heir"] = explore.Model{Preemptions: 2, Ticks: 1, Setup: exploredSemaphore}
	models["boundedsemaphore/three"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredBounded(3, 1)}
	models["boundedsemaphore/heir"] = explore.Model{Preemptions: 2, Kills: 1, Ticks: 1, Setup: exploredBounded(2, 1)}
	models["event"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredEvent}
	models["cond"] = explore.Model{Preemptions: 1, Kills: 1, Setup: exploredCond}
	models["barrier"] = explore.Model{Preemptions: 2, Kills: 1, Setup: exploredBarrier}
}

// A section is what a lock protects: a number, of which the owner makes the next in
// two steps, so that nobody else may be in between.
type section struct {
	x     *explore.Execution
	words *sectionWords
	in    [8]bool
	read  [8]bool
}

type sectionWords struct{ number shared.Uint32 }

func newSection(x *explore.Execution) *section {
	s := &section{x: x, words: new(sectionWords)}
	explore.Words(x, "section", s.words)
	x.Always(s.check)
	return s
}

// check counts who is in it and lives.
func (s *section) check() error {
	writers, readers := 0, 0
	for i := range s.in {
		if s.in[i] && !s.x.Killed(i) {
			writers++
		}
		if s.read[i] && !s.x.Killed(i) {
			readers++
		}
	}
	if writers > 1 || writers == 1 && readers > 0 {
		return fmt.Errorf("%d owners and %d readers at a time", writers, readers)
	}
	return nil
}

func (s *section) enter(i int) {
	s.in[i] = true
	s.words.number.Store(s.words.number.Load() + 1)
	s.in[i] = false
}

func (s *section) look(i int) {
	s.read[i] = true
	s.words.number.Load()
	s.read[i] = false
}

// A recoverable is a lock that can be repaired.
type recoverable interface {
	Lock(context.Context) error
	Recover(context.Context, func() error) error
}

// lock locks m, and repairs it if an owner has died.
func lock(ctx context.Context, m recoverable) error {
	return repaired(ctx, m, m.Lock(ctx), m.Lock)
}

// repaired goes on after a failure to lock.
func repaired(ctx context.Context, m recoverable, err error, lock func(context.Context) error) error {
	for errors.Is(err, ErrOwnerDied) {
		if err = m.Recover(ctx, nil); err == nil || errors.Is(err, ErrHealthy) {
			err = lock(ctx)
		}
	}
	return err
}

// exploredMutex: processes lock and unlock a mutex some times.
func exploredMutex(processes, rounds int) func(*explore.Execution) {
	return func(x *explore.Execution) {
		c := newCosmos(x, processes)
		state := new(MutexState)
		explore.Words(x, "mutex", state)
		section := newSection(x)
		for i, p := range c.citizens {
			m := NewMutex(p, state)
			bells(x, m.gate)
			x.Process(func() {
				for range rounds {
					c.must(lock(context.Background(), m))
					section.enter(i)
					c.must(m.Unlock())
				}
			})
		}
		x.Finally(func() error { return freeOrDead(c, state) })
	}
}

// freeOrDead is how a mutex must be when nobody goes on.
func freeOrDead(c *cosmos, s *MutexState) error {
	owner := shm.Incarnation(s.word.Load() & ownerMask)
	if owner != shm.Nobody && c.citizens[0].Alive(owner) {
		return fmt.Errorf("the lock is left with %v", owner)
	}
	return nil
}

// exploredCancel: one of three gives up waiting, at any time.
func exploredCancel(x *explore.Execution) {
	c := newCosmos(x, 3)
	state := new(MutexState)
	explore.Words(x, "mutex", state)
	section := newSection(x)
	cancelled := x.NewContext()
	for i, p := range c.citizens {
		m := NewMutex(p, state)
		bells(x, m.gate)
		ctx := context.Background()
		if i == 0 {
			ctx = cancelled
		}
		x.Process(func() {
			err := lock(ctx, m)
			if i == 0 && err == context.Canceled {
				return
			}
			c.must(err)
			section.enter(i)
			c.must(m.Unlock())
		})
	}
	x.Cancels(cancelled, 0)
	x.Finally(func() error { return freeOrDead(c, state) })
}

// exploredRWMutex: a writer, and the others read.
func exploredRWMutex(processes int) func(*explore.Execution) {
	return func(x *explore.Execution) {
		c := newCosmos(x, processes)
		state := new(RWMutexState)
		explore.Words(x, "rwmutex", state)
		section := newSection(x)
		for i, p := range c.citizens {
			l := NewRWMutex(p, state)
			bells(x, l.m.gate, l.drain, l.entry)
			x.Process(func() {
				if i == 0 {
					c.must(lock(context.Background(), l))
					section.enter(i)
					c.must(l.Unlock())
					return
				}
				c.must(repaired(context.Background(), l, l.RLock(context.Background()), l.RLock))
				section.look(i)
				c.must(l.RUnlock())
			})
		}
		x.Finally(func() error { return freeOrDead(c, &state.writer) })
	}
}

// exploredOnce: three processes do something once. What is seen to be done has been
// done by one.
func exploredOnce(x *explore.Execution) {
	c := newCosmos(x, 3)
	state := new(OnceState)
	explore.Words(x, "once", state)
	section := newSection(x)
	for i, p := range c.citizens {
		o := NewOnce(p, state)
		bells(x, o.lock.gate)
		x.Process(func() {
			did := section.words.number.Load()
			c.must(o.Do(context.Background(), func() error {
				section.enter(i)
				return nil
			}))
			x.Check(did != 0 || section.words.number.Load() != 0, "done, and nobody did it")
		})
	}
	x.Finally(func() error {
		live := 0
		for i := range c.citizens {
			if !x.Killed(i) {
				live++
			}
		}
		if n := int(section.words.number.Load()); live > 0 && (n == 0 || n > 1+len(c.citizens)-live) {
			return fmt.Errorf("done %d times", n)
		}
		return nil
	})
}

// exploredSemaphore: one gives two permits and then one, the others take one each.
func exploredSemaphore(x *explore.Execution) {
	c := newCosmos(x, 4)
	state := new(SemaphoreState)
	explore.Words(x, "semaphore", state)
	for i, p := range c.citizens {
		s := NewSemaphore(p, state)
		bells(x, s.gate)
		if i == 3 {
			x.Witness(func() {
				c.must(s.Release(2))
				c.must(s.Release(1))
			})
			continue
		}
		x.Process(func() { c.must(s.Acquire(context.Background())) })
	}
	x.Finally(func() error {
		left := int(state.word.Load() & ownerMask)
		if most := boolToInt(x.Killed(0) || x.Killed(1) || x.Killed(2)); left > most {
			return fmt.Errorf("%d permits are left", left)
		}
		return nil
	})
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// exploredBounded: processes take and give back one of some permits.
func exploredBounded(processes, permits int) func(*explore.Execution) {
	return func(x *explore.Execution) {
		c := newCosmos(x, processes)
		size, _ := BoundedSemaphoreSize(permits)
		mem := make([]byte, size)
		c.must(InitBoundedSemaphore(mem, permits))
		explore.Bytes(x, "boundedsemaphore", mem)
		section := newSection(x)
		var views []*BoundedSemaphore
		for i, p := range c.citizens {
			s, err := OpenBoundedSemaphore(p, mem)
			c.must(err)
			views = append(views, s)
			bells(x, s.gate)
			x.Process(func() {
				c.must(s.Acquire(context.Background()))
				section.enter(i)
				c.must(s.Release())
			})
		}
		x.Finally(func() error {
			last := slices.IndexFunc(c.citizens, func(p *citizen) bool { return p.Alive(p.self) })
			if n := views[last].Value(); n != permits {
				return fmt.Errorf("%d permits at the end", n)
			}
			return nil
		})
	}
}

// exploredEvent: two wait while one sets, and another one clears and sets.
func exploredEvent(x *explore.Execution) {
	c := newCosmos(x, 4)
	state := new(EventState)
	explore.Words(x, "event", state)
	for i, p := range c.citizens {
		e := NewEvent(p, state)
		bells(x, e.gate)
		switch i {
		case 2:
			x.Process(func() { c.must(e.Set()) })
		case 3:
			x.Witness(func() {
				c.must(e.Clear())
				c.must(e.Set())
			})
		default:
			x.Process(func() { c.must(e.Wait(context.Background())) })
		}
	}
}

// exploredCond: two wait for something that two do and notify of.
func exploredCond(x *explore.Execution) {
	c := newCosmos(x, 4)
	memory := new(struct {
		lock MutexState
		_    [8]byte
		cond CondState
	})
	explore.Words(x, "cond", memory)
	section := newSection(x)
	for i, p := range c.citizens {
		m := NewMutex(p, &memory.lock)
		cond := NewCond(p, &memory.cond, m)
		bells(x, m.gate, cond.gate)
		notifies := func() {
			c.must(lock(context.Background(), m))
			section.enter(i)
			c.must(cond.Notify(2))
			c.must(m.Unlock())
		}
		switch i {
		case 0, 1:
			x.Process(func() {
				c.must(lock(context.Background(), m))
				for section.words.number.Load() == 0 {
					err := cond.Wait(context.Background())
					c.must(repaired(context.Background(), m, err, m.Lock))
				}
				c.must(m.Unlock())
			})
		case 2:
			x.Process(notifies)
		case 3:
			x.Witness(notifies)
		}
	}
	x.Finally(func() error { return freeOrDead(c, &memory.lock) })
}

// exploredBarrier: three meet. If one dies, the others get an error, or all had met.
func exploredBarrier(x *explore.Execution) {
	c := newCosmos(x, 3)
	state := new(BarrierState)
	explore.Words(x, "barrier", state)
	c.must(InitBarrier(state, 3))
	var met, broke [3]bool
	for i, p := range c.citizens {
		b := NewBarrier(p, state, nil)
		bells(x, b.gate, b.entry)
		x.Process(func() {
			switch _, err := b.Wait(context.Background()); {
			case err == nil:
				met[i] = true
			case errors.Is(err, ErrBrokenBarrier):
				broke[i] = true
			default:
				c.must(err)
			}
		})
	}
	x.Excuse(func(int) error { // who died had not come yet
		for i, p := range c.citizens {
			if e := state.arrivals.of(p.self).Load(); x.Killed(i) && e == 0 {
				return nil
			}
		}
		return errors.New("all had come")
	})
	x.Finally(func() error {
		died := x.Killed(0) || x.Killed(1) || x.Killed(2)
		anyMet, anyBroke := met[0] || met[1] || met[2], broke[0] || broke[1] || broke[2]
		if anyMet && anyBroke || !died && !anyMet {
			return fmt.Errorf("met %v, broke %v", met, broke)
		}
		return nil
	})
}
