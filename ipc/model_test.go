package ipc

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mpgo/mp/shm"
)

// Each object beside a plain model of it: three processes, which die and are
// followed by others, do what does not wait, in any order, and must see what the
// model says. rapid shrinks what fails. -rapid.checks and -rapid.steps say how much
// is tried.

// actions are what a model does, by name; that without one follows each.
type actions = map[string]func(*rapid.T)

// A company is the processes of a model.
type company struct {
	world *world
	mates [3]*mate
	join  func(i int, m *mate) // makes the views of a new process
}

// newCompany starts three processes.
func newCompany(t testing.TB, join func(i int, m *mate)) *company {
	c := &company{world: newWorld(t), join: join}
	for i := range c.mates {
		c.mates[i] = c.world.mate()
		join(i, c.mates[i])
	}
	return c
}

// who draws a process.
func (c *company) who(t *rapid.T) int { return rapid.IntRange(0, len(c.mates)-1).Draw(t, "who") }

// replace kills a process, and starts another.
func (c *company) replace(i int) {
	c.mates[i].die()
	c.mates[i] = c.world.mate()
	c.join(i, c.mates[i])
}

const nobody = -1

// A lockModel is a lock: who has it, and whether an owner died.
type lockModel struct {
	owner  int
	broken bool
	notes  bool // its owner's death
	left   bool // by the dead, and not taken over yet
}

// tryLock is what TryLock must say.
func (m *lockModel) tryLock(who int) (bool, error) {
	switch {
	case m.broken:
		return false, ErrOwnerDied
	case m.owner != nobody:
		return false, nil
	}
	m.owner, m.left = who, false
	return true, nil
}

func (m *lockModel) unlock(who int) error {
	switch {
	case m.owner == who && !m.broken:
		m.owner = nobody
		return nil
	case m.owner == nobody && !m.broken && !m.left:
		return ErrNotLocked
	}
	return ErrNotOwner
}

func (m *lockModel) recover(repairs bool) error {
	switch {
	case !m.broken:
		return ErrHealthy
	case !repairs:
		return errRepair
	}
	m.owner, m.broken = nobody, false
	return nil
}

func (m *lockModel) dies(who int) {
	if m.owner == who {
		m.owner, m.broken, m.left = nobody, m.notes, !m.notes
	}
}

var errRepair = errors.New("cannot be repaired")

// drawRepair draws a function that repairs, or fails.
func drawRepair(t *rapid.T) (repair func() error, repairs bool) {
	if repairs = rapid.Bool().Draw(t, "repairs"); repairs {
		return nil, true
	}
	return func() error { return errRepair }, false
}

// agree requires that two results are the same: the model's, and then the object's.
func agree(t *rapid.T) func(bool, error) func(bool, error) {
	return func(wantOK bool, want error) func(bool, error) {
		return func(ok bool, err error) {
			require.ErrorIs(t, err, want)
			require.Equal(t, wantOK, ok)
		}
	}
}

func TestMutexIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		model := &lockModel{owner: nobody, notes: rapid.Bool().Draw(rt, "notes")}
		var opts []MutexOption
		if !model.notes {
			opts = append(opts, IgnoreOwnerDeath())
		}
		var views [3]*Mutex
		state := new(MutexState)
		c := newCompany(t, func(i int, m *mate) { views[i] = NewMutex(m, state, opts...) })
		rt.Repeat(actions{
			"TryLock": func(t *rapid.T) {
				i := c.who(t)
				agree(t)(model.tryLock(i))(views[i].TryLock())
			},
			"Lock, too late": func(t *rapid.T) { require.ErrorIs(t, views[c.who(t)].Lock(over), over.Err()) },
			"Unlock":         func(t *rapid.T) { i := c.who(t); require.ErrorIs(t, views[i].Unlock(), model.unlock(i)) },
			"Recover": func(t *rapid.T) {
				i := c.who(t)
				repair, repairs := drawRepair(t)
				require.ErrorIs(t, views[i].Recover(t.Context(), repair), model.recover(repairs))
			},
			"death": func(t *rapid.T) { i := c.who(t); c.replace(i); model.dies(i) },
			"": func(t *rapid.T) {
				for i, v := range views {
					require.Equal(t, model.owner == i, v.Owner() == c.mates[i].Self())
				}
			},
		})
	})
}

func TestRWMutexIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		model := &lockModel{owner: nobody, notes: true}
		var reads [3]int
		reading := func() int { return reads[0] + reads[1] + reads[2] }
		var views [3]*RWMutex
		state := new(RWMutexState)
		c := newCompany(t, func(i int, m *mate) { views[i] = NewRWMutex(m, state) })
		rt.Repeat(actions{
			"TryLock": func(t *rapid.T) {
				i := c.who(t)
				if reading() > 0 {
					agree(t)(false, nil)(views[i].TryLock())
					return
				}
				agree(t)(model.tryLock(i))(views[i].TryLock())
			},
			"Unlock": func(t *rapid.T) { i := c.who(t); require.ErrorIs(t, views[i].Unlock(), model.unlock(i)) },
			"TryRLock": func(t *rapid.T) {
				i := c.who(t)
				m := *model
				ok, err := m.tryLock(i)
				if agree(t)(ok, err)(views[i].TryRLock()); ok {
					reads[i]++
				}
			},
			"RUnlock": func(t *rapid.T) {
				if i := c.who(t); reads[i] > 0 {
					require.NoError(t, views[i].RUnlock())
					reads[i]--
				} else {
					require.ErrorIs(t, views[i].RUnlock(), ErrNotLocked)
				}
			},
			"Recover": func(t *rapid.T) {
				i := c.who(t)
				repair, repairs := drawRepair(t)
				require.ErrorIs(t, views[i].Recover(t.Context(), repair), model.recover(repairs))
			},
			"death": func(t *rapid.T) {
				i := c.who(t)
				c.replace(i)
				model.dies(i)
				reads[i] = 0
			},
			"": func(t *rapid.T) { require.Equal(t, reading(), views[c.who(t)].Readers()) },
		})
	})
}

func TestRLockIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		model := &lockModel{owner: nobody, notes: true} // the owner is a holder
		count := 0
		var holders [6]*Holder // two in each process
		var views [3]*RLock
		state := new(MutexState)
		c := newCompany(t, func(i int, m *mate) {
			views[i] = NewRLock(m, state)
			holders[2*i], holders[2*i+1] = views[i].Holder(), views[i].Holder()
		})
		rt.Repeat(actions{
			"TryLock": func(t *rapid.T) {
				h := 2*c.who(t) + rapid.IntRange(0, 1).Draw(t, "holder")
				if model.owner == h {
					agree(t)(true, nil)(holders[h].TryLock())
					count++
					return
				}
				ok, err := model.tryLock(h)
				if agree(t)(ok, err)(holders[h].TryLock()); ok {
					count = 1
				}
			},
			"Unlock": func(t *rapid.T) {
				h := 2*c.who(t) + rapid.IntRange(0, 1).Draw(t, "holder")
				if model.owner == h && count > 1 {
					require.NoError(t, holders[h].Unlock())
					count--
					return
				}
				require.ErrorIs(t, holders[h].Unlock(), model.unlock(h))
			},
			"Recover": func(t *rapid.T) {
				repair, repairs := drawRepair(t)
				require.ErrorIs(t, views[c.who(t)].Recover(t.Context(), repair), model.recover(repairs))
			},
			"death": func(t *rapid.T) {
				i := c.who(t)
				c.replace(i)
				model.dies(2 * i)
				model.dies(2*i + 1)
			},
			"": func(t *rapid.T) {
				for h := range holders {
					if model.owner == h {
						require.Equal(t, count, holders[h].Count())
					} else {
						require.Zero(t, holders[h].Count())
					}
				}
			},
		})
	})
}

func TestSemaphoreIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 3, maxPermits - 2}).Draw(rt, "permits")
		state := new(SemaphoreState)
		require.NoError(rt, InitSemaphore(state, n))
		var views [3]*Semaphore
		c := newCompany(t, func(i int, m *mate) { views[i] = NewSemaphore(m, state) })
		rt.Repeat(actions{
			"TryAcquire": func(t *rapid.T) {
				agree(t)(n > 0, nil)(views[c.who(t)].TryAcquire())
				n = max(0, n-1)
			},
			"Acquire, too late": func(t *rapid.T) { require.ErrorIs(t, views[c.who(t)].Acquire(over), over.Err()) },
			"Release": func(t *rapid.T) {
				more := rapid.IntRange(-1, 3).Draw(t, "more")
				switch err := views[c.who(t)].Release(more); {
				case more < 1:
					require.ErrorIs(t, err, ErrTooFew)
				case n+more > maxPermits:
					require.ErrorIs(t, err, ErrTooMany)
				default:
					require.NoError(t, err)
					n += more
				}
			},
			"death": func(t *rapid.T) { c.replace(c.who(t)) },
			"":      func(t *rapid.T) { require.Equal(t, n, views[c.who(t)].Value()) },
		})
	})
}

func TestBoundedSemaphoreIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(rt, "limit")
		size, err := BoundedSemaphoreSize(limit)
		require.NoError(rt, err)
		mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
		require.NoError(rt, InitBoundedSemaphore(mem, limit))
		var has [3]int
		free := func() int { return limit - has[0] - has[1] - has[2] }
		var views [3]*BoundedSemaphore
		c := newCompany(t, func(i int, m *mate) {
			views[i], err = OpenBoundedSemaphore(m, mem)
			require.NoError(rt, err)
		})
		rt.Repeat(actions{
			"TryAcquire": func(t *rapid.T) {
				i, ok := c.who(t), free() > 0
				if agree(t)(ok, nil)(views[i].TryAcquire()); ok {
					has[i]++
				}
			},
			"Release": func(t *rapid.T) {
				if i := c.who(t); has[i] > 0 {
					require.NoError(t, views[i].Release())
					has[i]--
				} else {
					require.ErrorIs(t, views[i].Release(), ErrOverRelease)
				}
			},
			"death": func(t *rapid.T) { i := c.who(t); c.replace(i); has[i] = 0 },
			"":      func(t *rapid.T) { require.Equal(t, free(), views[c.who(t)].Value()) },
		})
	})
}

func TestEventIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		set := false
		state := new(EventState)
		state.word.Store(eventCount - 4) // it goes round soon
		var views [3]*Event
		c := newCompany(t, func(i int, m *mate) { views[i] = NewEvent(m, state) })
		rt.Repeat(actions{
			"Set":   func(t *rapid.T) { require.NoError(t, views[c.who(t)].Set()); set = true },
			"Clear": func(t *rapid.T) { require.NoError(t, views[c.who(t)].Clear()); set = false },
			"Wait": func(t *rapid.T) {
				if set {
					require.NoError(t, views[c.who(t)].Wait(t.Context()))
				} else {
					require.ErrorIs(t, views[c.who(t)].Wait(over), over.Err())
				}
			},
			"death": func(t *rapid.T) { c.replace(c.who(t)) },
			"":      func(t *rapid.T) { require.Equal(t, set, views[c.who(t)].IsSet()) },
		})
	})
}

func TestOnceIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		done := false
		state := new(OnceState)
		var views [3]*Once
		c := newCompany(t, func(i int, m *mate) { views[i] = NewOnce(m, state) })
		rt.Repeat(actions{
			"Do": func(t *rapid.T) {
				repair, works := drawRepair(t)
				ran := false
				err := views[c.who(t)].Do(t.Context(), func() error {
					if ran = true; repair != nil {
						return repair()
					}
					return nil
				})
				require.Equal(t, !done, ran)
				if done = done || works; done {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, errRepair)
				}
			},
			"death": func(t *rapid.T) { c.replace(c.who(t)) },
			"":      func(t *rapid.T) { require.Equal(t, done, views[c.who(t)].Done()) },
		})
	})
}

// A barrier of one party never waits; of two, the other one gives up.
func TestBarrierIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		parties := rapid.IntRange(1, 2).Draw(rt, "parties")
		broken := false
		state := new(BarrierState)
		require.NoError(rt, InitBarrier(state, parties))
		var views [3]*Barrier
		action := error(nil)
		c := newCompany(t, func(i int, m *mate) { views[i] = NewBarrier(m, state, func() error { return action }) })
		rt.Repeat(actions{
			"Wait": func(t *rapid.T) {
				if parties == 2 {
					t.Skip()
				}
				if action = nil; rapid.Bool().Draw(t, "the action fails") {
					action = errRepair
				}
				index, err := views[c.who(t)].Wait(t.Context())
				require.Zero(t, index)
				if broken {
					require.ErrorIs(t, err, ErrBrokenBarrier)
					return
				}
				require.ErrorIs(t, err, action)
				broken = action != nil
			},
			"two meet": func(t *rapid.T) {
				if parties == 1 {
					t.Skip()
				}
				i := c.who(t)
				action = nil
				other := start(func() error { _, err := views[(i+1)%3].Wait(t.Context()); return err })
				_, err := views[i].Wait(t.Context())
				if broken {
					require.ErrorIs(t, err, ErrBrokenBarrier)
					require.ErrorIs(t, <-other, ErrBrokenBarrier)
					return
				}
				require.NoError(t, err)
				require.NoError(t, <-other)
			},
			"Abort": func(t *rapid.T) { require.NoError(t, views[c.who(t)].Abort()); broken = true },
			"Reset": func(t *rapid.T) { require.NoError(t, views[c.who(t)].Reset()); broken = false },
			"death": func(t *rapid.T) { c.replace(c.who(t)) }, // none of them waits
			"": func(t *rapid.T) {
				require.Equal(t, broken, views[c.who(t)].Broken())
				require.Zero(t, views[c.who(t)].Waiting())
			},
		})
	})
}

// Waiters wait in goroutines; the model is their number.
func TestCondIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		waiting, ctx := 0, within(t)
		ended := make(chan error, 1000)
		lock, state := new(MutexState), new(CondState)
		var locks [3]*Mutex
		var views [3]*Cond
		newCompany(t, func(i int, m *mate) {
			locks[i] = NewMutex(m, lock)
			views[i] = NewCond(m, state, locks[i])
		})
		who := func(t *rapid.T) int { return rapid.IntRange(0, 2).Draw(t, "who") }
		notify := func(t *rapid.T, n int) {
			i := who(t)
			require.NoError(t, locks[i].Lock(t.Context()))
			require.NoError(t, views[i].Notify(n))
			require.NoError(t, locks[i].Unlock())
			for range min(n, waiting) {
				require.NoError(t, <-ended)
				waiting--
			}
		}
		rt.Repeat(actions{
			"Wait": func(t *rapid.T) {
				i := who(t)
				go func() {
					ended <- locks[i].With(ctx, func() error { return views[i].Wait(ctx) })
				}()
				waiting++
			},
			"Wait, not locked": func(t *rapid.T) { require.Error(t, views[who(t)].Wait(t.Context())) },
			"Notify":           func(t *rapid.T) { notify(t, rapid.IntRange(1, 3).Draw(t, "n")) },
			"NotifyAll":        func(t *rapid.T) { notify(t, 1000) },
			"": func(t *rapid.T) {
				for views[who(t)].Waiting() != waiting { // they are on their way
				}
				require.Empty(t, ended)
			},
		})
		notify(rt, 1000)
	})
}

func TestCellIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 70).Draw(rt, "size")
		mem := alignTo(make([]byte, CellSize(size)+cellAlign), cellAlign)
		model := make([]byte, size)
		var views [3]*Cell
		c := newCompany(t, func(i int, m *mate) { views[i] = NewCell(m, mem, size) })
		rt.Repeat(actions{
			"Replace": func(t *rapid.T) {
				buf := make([]byte, size)
				repair, works := drawRepair(t)
				err := views[c.who(t)].Replace(t.Context(), buf, func() error {
					require.Equal(t, model, buf)
					copy(buf, rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "bytes"))
					if repair != nil {
						return repair()
					}
					return nil
				})
				if works {
					require.NoError(t, err)
					copy(model, buf)
				} else {
					require.ErrorIs(t, err, errRepair)
				}
			},
			"death": func(t *rapid.T) { c.replace(c.who(t)) },
			"": func(t *rapid.T) {
				buf := make([]byte, size)
				views[c.who(t)].Load(buf)
				require.Equal(t, model, buf)
			},
		})
	})
}

// The taker's stream is what was given; a part of that is void.
func TestClaimsAreLikeTheirModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		given := rapid.SampledFrom([]uint32{0, 1<<31 - 2, 1<<32 - 3}).Draw(rt, "first")
		var claims Claims
		claims.Reopen(given)
		begun, end := given, given // may begin those from begun on, but not end
		limited := false
		var stream []uint32
		rt.Repeat(actions{
			"give": func(t *rapid.T) {
				if limited {
					if begun != end {
						t.Skip()
					}
					claims.Reopen(given)
					begun, limited = given, false
				}
				stream = append(stream, given)
				given++
				end = given
			},
			"Claim": func(t *rapid.T) {
				if len(stream) == 0 {
					t.Skip()
				}
				n := stream[0]
				stream = stream[1:]
				mine := n == begun && begun != end
				require.Equal(t, mine, claims.Claim(n))
				if mine {
					begun++
				}
			},
			"TakeBack": func(t *rapid.T) {
				keep := min(rapid.Uint32Range(0, 3).Draw(t, "keep"), end-begun)
				require.Equal(t, begun+keep, claims.TakeBack(keep))
				end, limited = begun+keep, true
			},
			"": func(t *rapid.T) { require.Equal(t, begun, claims.Next()) },
		})
	})
}

// A position of a ring in its model.
type position struct {
	value  byte
	phase  uint64
	owner  int  // mate's incarnation, of claimed and taken ones
	dead   bool // the owner
	taken  int  // how often
	claim  Claimed
	reader Taken
}

// passed reports whether the cell of the position may be claimed again.
func (p *position) passed() bool { return p.phase == vacant || p.phase == writing && p.dead }

// A loan of a ring's message in its model.
type ringLease struct {
	value   byte
	attempt int
	owner   int // of three; nobody if it was returned, or its owner is dead
	lease   Lease
}

// A ringModel is a queue of bytes with all that a Ring has.
type ringModel struct {
	*company
	views    [3]*Ring
	land     deed
	table    []byte
	capacity int // 0 for one that grows
	leases   int // slots
	all      []*position
	head     int // first position that was not taken
	out      []*ringLease
	closed   bool
	next     byte
}

func newRingModel(t testing.TB, rt *rapid.T) *ringModel {
	m := &ringModel{capacity: rapid.SampledFrom([]int{0, 1, 2, 3, 5, 17}).Draw(rt, "capacity"), leases: 2}
	cells := m.capacity
	if cells == 0 {
		cells = 2
	}
	mem := ringMemory(t, cells, 8)
	if m.capacity == 0 {
		require.NoError(rt, InitGrowingRing(mem, cells, 8))
	} else {
		require.NoError(rt, initRing(mem, cells, 8, rapid.SampledFrom(firstLaps).Draw(rt, "lap")))
	}
	m.table = leaseMemory(t, m.leases, 8, 0)
	m.land = deed{&ground{main: mem, last: 1, plots: make(map[uint64]*plot)}}
	m.company = newCompany(t, func(i int, mate *mate) {
		var err error
		if m.capacity == 0 {
			m.views[i], err = OpenGrowingRing(mate, mem, m.land)
		} else {
			m.views[i], err = OpenRing(mate, mem)
		}
		require.NoError(rt, err)
		m.views[i].Leases(func(uint64) ([]byte, error) { return m.table, nil })
		m.views[i].SetLeaseTable(1)
	})
	return m
}

// full reports whether nothing can be put.
func (m *ringModel) full() bool {
	t := len(m.all)
	return m.capacity > 0 && t >= m.capacity && !m.all[t-m.capacity].passed()
}

// claimError is why nothing can be claimed, nil if it can.
func (m *ringModel) claimError() error {
	switch {
	case m.closed:
		return ErrClosed
	case m.full():
		return ErrFull
	}
	return nil
}

// again are the messages that come again.
func (m *ringModel) again() (values []byte) {
	for _, l := range m.out {
		if l.owner == nobody {
			values = append(values, l.value)
		}
	}
	for _, p := range m.all {
		if p.phase == reading && p.dead {
			values = append(values, p.value)
		}
	}
	return values
}

// front is the first message that was not taken, or why there is none.
func (m *ringModel) front() (*position, error) {
	for ; m.head < len(m.all); m.head++ {
		switch p := m.all[m.head]; {
		case p.phase == ready:
			return p, nil
		case p.phase == writing && !p.dead:
			return nil, ErrEmpty
		}
	}
	if m.closed {
		return nil, ErrClosed
	}
	return nil, ErrEmpty
}

// elsewhere reports whether others than i have a message, or nobody has it.
func (m *ringModel) elsewhere(i int) bool {
	return slices.ContainsFunc(m.out, func(l *ringLease) bool { return l.owner != i }) ||
		slices.ContainsFunc(m.all, func(p *position) bool { return p.phase == reading && p.owner != i })
}

// took finds what a message that was taken was in the model.
func (m *ringModel) took(t *rapid.T, value byte, attempt int) (*position, *ringLease) {
	if again := m.again(); len(again) > 0 {
		require.Contains(t, again, value, "what comes again comes first")
		for _, l := range m.out {
			if l.owner == nobody && l.value == value {
				l.attempt++
				require.Equal(t, l.attempt, attempt)
				return nil, l
			}
		}
		for _, p := range m.all {
			if p.phase == reading && p.dead && p.value == value {
				p.taken++
				require.Equal(t, p.taken, attempt)
				return p, nil
			}
		}
	}
	p, err := m.front()
	require.NoError(t, err)
	require.Equal(t, p.value, value)
	require.Equal(t, 1, attempt)
	p.taken = 1
	m.head++
	return p, nil
}

// drop forgets a lease.
func (m *ringModel) drop(gone *ringLease) {
	for i, l := range m.out {
		if l == gone {
			m.out = append(m.out[:i:i], m.out[i+1:]...)
			return
		}
	}
}

func TestRingIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newRingModel(t, rt)
		rt.Repeat(actions{
			"TryPut": m.put, "TryClaim": m.claim, "Commit": m.commit, "TryTake": m.take, "Release": m.release,
			"PutQuick": m.putQuick, "GetQuick": m.getQuick, "PutManyQuick": m.putMany, "GetManyQuick": m.getMany,
			"TryReceive": m.receive, "Ack": m.ack, "Nack": m.nack, "death": m.death,
			"Close": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "close") == 0 {
					require.NoError(t, m.views[m.who(t)].Close())
					m.closed = true
				}
			},
		})
	})
}

func (m *ringModel) put(t *rapid.T) {
	want := m.claimError()
	m.next++
	require.ErrorIs(t, m.views[m.who(t)].TryPut([]byte{m.next}), want)
	if want == nil {
		m.all = append(m.all, &position{value: m.next, phase: ready})
	}
}

// The quick ways may decline at any time, but in a ring that one alone uses; what they do
// is what the others do.
func (m *ringModel) putQuick(t *rapid.T) {
	want := m.claimError()
	if putQuickly(m.views[m.who(t)], anytime, []byte{m.next + 1}) {
		require.NoError(t, want)
		m.next++
		m.all = append(m.all, &position{value: m.next, phase: ready})
	}
}

func (m *ringModel) getQuick(t *rapid.T) {
	into := make([]byte, 1)
	ok, odd := getQuickly(m.views[m.who(t)], anytime, into)
	require.Nil(t, odd)
	if ok {
		m.gone(t, into[0])
	}
}

// gone is a message that was taken and released.
func (m *ringModel) gone(t *rapid.T, value byte) {
	require.Empty(t, m.again(), "what comes again comes first")
	p, _ := m.took(t, value, 1)
	p.phase = vacant
}

func (m *ringModel) putMany(t *rapid.T) {
	all := make([]byte, rapid.IntRange(groupSize-1, 2*groupSize).Draw(t, "messages"))
	for i := range all {
		all[i] = m.next + 1 + byte(i)
	}
	put := m.views[m.who(t)].PutManyQuick(all, 1)
	require.Zero(t, put%groupSize)
	for range put {
		require.NoError(t, m.claimError())
		m.next++
		m.all = append(m.all, &position{value: m.next, phase: ready})
	}
}

func (m *ringModel) getMany(t *rapid.T) {
	into := make([]byte, rapid.IntRange(groupSize-1, 2*groupSize).Draw(t, "room"))
	got, odd := m.views[m.who(t)].GetManyQuick(into, 1, true)
	require.Empty(t, odd)
	require.Zero(t, got%groupSize)
	for _, value := range into[:got] {
		m.gone(t, value)
	}
}

func (m *ringModel) claim(t *rapid.T) {
	i, want := m.who(t), m.claimError()
	c, err := m.views[i].TryClaim()
	require.ErrorIs(t, err, want)
	if want == nil {
		m.next++
		m.all = append(m.all, &position{value: m.next, phase: writing, owner: i, claim: c})
	}
}

// commit commits, or aborts, the first claim.
func (m *ringModel) commit(t *rapid.T) {
	for _, p := range m.all {
		if p.phase != writing || p.dead {
			continue
		}
		if rapid.Bool().Draw(t, "abort") {
			p.claim.Abort()
			p.phase = vacant
			return
		}
		p.claim.Bytes()[0] = p.value
		p.claim.Commit(1)
		p.phase = ready
		return
	}
	t.Skip()
}

func (m *ringModel) take(t *rapid.T) {
	i := m.who(t)
	again := len(m.again()) > 0
	_, want := m.front()
	taken, err := m.views[i].TryTake()
	if !again && want != nil {
		require.ErrorIs(t, err, want)
		return
	}
	require.NoError(t, err)
	b, err := taken.Bytes()
	require.NoError(t, err)
	p, l := m.took(t, b[0], taken.Attempt())
	if l != nil { // it stays on its lease until it is released: at once
		_, onLease := taken.OnLease()
		require.True(t, onLease)
		taken.Release()
		m.drop(l)
		return
	}
	p.phase, p.owner, p.dead, p.reader = reading, i, false, taken
}

// release releases the first message that is held.
func (m *ringModel) release(t *rapid.T) {
	for _, p := range m.all {
		if p.phase == reading && !p.dead {
			p.reader.Release()
			p.phase = vacant
			return
		}
	}
	t.Skip()
}

func (m *ringModel) receive(t *rapid.T) {
	i := m.who(t)
	returned := false
	for _, l := range m.out {
		returned = returned || l.owner == nobody
	}
	again := len(m.again()) > 0
	_, want := m.front()
	if want == ErrClosed && m.elsewhere(i) {
		want = ErrEmpty // it may come back
	}
	lease, err := m.views[i].TryReceive()
	switch {
	case !returned && len(m.out) >= m.leases: // no slot
		if again || want == nil {
			want = ErrEmpty
		}
		require.ErrorIs(t, err, want)
		return
	case !again && want != nil:
		require.ErrorIs(t, err, want)
		return
	}
	require.NoError(t, err)
	b, err := lease.Bytes()
	require.NoError(t, err)
	p, l := m.took(t, b[0], lease.Attempt())
	if l == nil {
		l = &ringLease{value: p.value, attempt: p.taken}
		m.out = append(m.out, l)
		p.phase = vacant
	}
	l.owner, l.lease = i, lease
}

func (m *ringModel) ack(t *rapid.T) {
	for _, l := range m.out {
		if l.owner != nobody {
			require.NoError(t, l.lease.Ack())
			require.ErrorIs(t, l.lease.Ack(), ErrNotLeased)
			m.drop(l)
			return
		}
	}
	t.Skip()
}

func (m *ringModel) nack(t *rapid.T) {
	for _, l := range m.out {
		if l.owner != nobody {
			require.NoError(t, l.lease.Nack(0))
			require.ErrorIs(t, l.lease.Nack(0), ErrNotLeased)
			l.owner = nobody
			return
		}
	}
	t.Skip()
}

func (m *ringModel) death(t *rapid.T) {
	i := m.who(t)
	m.replace(i)
	for _, l := range m.out {
		if l.owner == i {
			l.owner = nobody
		}
	}
	for _, p := range m.all {
		if p.owner == i && (p.phase == writing || p.phase == reading) {
			p.dead = true
		}
	}
}

// A stream between two processes, which die and are followed by others.
func TestStreamIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fixed := rapid.SampledFrom([]int{-1, 16, 40}).Draw(rt, "fixed")
		small := rapid.SampledFrom([]int{0, 64, 128}).Draw(rt, "small ring")
		mem := ringsOf(256, small, fixed, rapid.SampledFrom(firstPositions).Draw(rt, "position"))
		world := newWorld(t)
		var w *StreamWriter
		var r *StreamReader
		var writer, reader *mate
		join := func() {
			var err error
			if w == nil {
				writer = world.mate()
				w, err = OpenWriter(writer, mem)
				require.NoError(rt, err)
			}
			if r == nil {
				reader = world.mate()
				r, err = OpenReader(reader, mem)
				require.NoError(rt, err)
			}
		}
		join()
		var records [][]byte
		fill := byte(0)
		rt.Repeat(actions{
			"TryPut": func(t *rapid.T) {
				n := fixed
				if fixed < 0 {
					n = rapid.IntRange(0, w.MaxRecord()+1).Draw(t, "length")
				}
				fill++
				record := make([]byte, n)
				for i := range record {
					record[i] = fill
				}
				switch err := w.TryPut(record); {
				case n > w.MaxRecord():
					require.ErrorIs(t, err, shm.ErrTooLarge)
				case err != nil:
					require.ErrorIs(t, err, ErrFull)
					require.NotEmpty(t, records)
				default:
					records = append(records, record)
				}
			},
			"TryClaim, and nothing more": func(t *rapid.T) { _, _ = w.TryClaim(max(fixed, 5)) },
			"TryGet": func(t *rapid.T) {
				b, err := r.TryGet([]byte{})
				if len(records) == 0 {
					require.ErrorIs(t, err, ErrEmpty)
					return
				}
				require.NoError(t, err)
				require.Equal(t, records[0], b)
				records = records[1:]
			},
			"TryTake": func(t *rapid.T) {
				b, err := r.TryTake()
				if len(records) == 0 {
					require.ErrorIs(t, err, ErrEmpty)
					return
				}
				require.NoError(t, err)
				require.Equal(t, records[0], append([]byte{}, b...))
			},
			"writer hands over": func(t *rapid.T) { w.HandOver(); w = nil; join() },
			"reader hands over": func(t *rapid.T) { r.HandOver(); r = nil; join() },
			"writer dies":       func(t *rapid.T) { writer.die(); w = nil; join() },
			"reader dies":       func(t *rapid.T) { reader.die(); r = nil; join() },
			"":                  func(t *rapid.T) { require.Equal(t, len(records) > 0, r.Ready()) },
		})
		require.NoError(rt, w.Close())
		for range records {
			_, err := r.TryGet(nil)
			require.NoError(rt, err)
		}
		_, err := r.TryGet(nil)
		require.Error(rt, err)
		require.NoError(rt, r.Close())
	})
}
