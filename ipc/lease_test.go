package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/futex"
	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/sys"
	"github.com/mpgo/mp/shm"
)

// lendingRing gives one view of one ring with a lease table to each of n processes.
func lendingRing(t testing.TB, n, capacity, leases, deliveries int, lap uint64) ([]*Ring, []*mate) {
	rings, mates := aRing(t, n, capacity, 8, lap)
	table := leaseMemory(t, leases, 8, deliveries)
	require.True(t, rings[0].SetLeaseTable(1))
	require.False(t, rings[0].SetLeaseTable(2))
	for _, r := range rings {
		r.Leases(func(uint64) ([]byte, error) { return table, nil })
	}
	return rings, mates
}

func leaseMemory(t testing.TB, leases, inline, deliveries int) []byte {
	size, err := LeaseTableSize(leases, inline)
	require.NoError(t, err)
	mem := make([]byte, size)
	require.NoError(t, InitLeases(mem, leases, inline, deliveries))
	return mem
}

func mustReceive(t testing.TB, r *Ring) (string, Lease) {
	t.Helper()
	l, err := r.TryReceive()
	require.NoError(t, err)
	b, err := l.Bytes()
	require.NoError(t, err)
	return string(b), l
}

func TestLeaseIsAcknowledgedOnce(t *testing.T) {
	rings, _ := lendingRing(t, 2, 2, 2, 0, 0)
	mustPut(t, rings[0], "a")
	s, l := mustReceive(t, rings[1])
	require.Equal(t, "a", s)
	require.Equal(t, 1, l.Attempt())
	require.NoError(t, l.Ack())
	require.ErrorIs(t, l.Ack(), ErrNotLeased)
	require.ErrorIs(t, l.Nack(0), ErrNotLeased)
	_, err := rings[0].TryReceive()
	require.ErrorIs(t, err, ErrEmpty)
}

func TestLeaseThatIsHeldHoldsUpNobody(t *testing.T) {
	rings, _ := lendingRing(t, 3, 2, 2, 0, 0)
	mustPut(t, rings[0], "held")
	_, held := mustReceive(t, rings[1])
	for i := range 50 {
		mustPut(t, rings[0], fmt.Sprint(i))
		s, l := mustReceive(t, rings[2])
		require.Equal(t, fmt.Sprint(i), s)
		require.NoError(t, l.Ack())
		mustPut(t, rings[0], fmt.Sprint(i))
		require.Equal(t, fmt.Sprint(i), mustTake(t, rings[2]))
	}
	require.NoError(t, held.Ack())
}

func TestLeaseReturnedIsDeliveredAgain(t *testing.T) {
	rings, _ := lendingRing(t, 3, 4, 4, 0, 0)
	mustPut(t, rings[0], "a")
	mustPut(t, rings[0], "b")
	_, l := mustReceive(t, rings[1])
	require.NoError(t, l.Nack(0))
	require.ErrorIs(t, l.Ack(), ErrNotLeased)
	s, again := mustReceive(t, rings[2])
	require.Equal(t, "a", s)
	require.Equal(t, 2, again.Attempt())
	require.NoError(t, again.Nack(0))
	s, again = mustReceive(t, rings[1])
	require.Equal(t, "a", s)
	require.Equal(t, 3, again.Attempt())
	require.ErrorIs(t, l.Ack(), ErrNotLeased, "of the first delivery to the same process")
	require.NoError(t, again.Nack(0))
	require.Equal(t, "a", mustTake(t, rings[2]), "Get delivers it, too")
	require.Equal(t, "b", mustTake(t, rings[2]))
}

func TestLeaseReturnedWithDelayComesWhenItIsDue(t *testing.T) {
	rings, _ := lendingRing(t, 3, 4, 4, 0, 0)
	mustPut(t, rings[0], "later")
	_, l := mustReceive(t, rings[1])
	before := sys.Monotonic()
	require.NoError(t, l.Nack(50*time.Millisecond))
	l, err := rings[2].Receive(within(t))
	require.NoError(t, err)
	require.GreaterOrEqual(t, sys.Monotonic()-before, int64(50*time.Millisecond))
	require.Equal(t, 2, l.Attempt())
}

func TestLeaseThatIsNotDueHoldsUpNobody(t *testing.T) {
	rings, _ := lendingRing(t, 3, 4, 4, 0, 0)
	mustPut(t, rings[0], "later")
	_, l := mustReceive(t, rings[1])
	asleep := start(func() string { b, _ := rings[2].Get(within(t), nil); return string(b) })
	blocks(t, asleep)
	require.NoError(t, l.Nack(long))
	mustPut(t, rings[0], "now")
	require.Equal(t, "now", ends(t, asleep))
}

// One who waits for a delayed message goes away; another one that sleeps must then
// wait for it.
func TestLeaseThatIsDueLaterIsWaitedForBySomebody(t *testing.T) {
	for range 20 {
		rings, _ := lendingRing(t, 4, 4, 4, 0, 0)
		mustPut(t, rings[0], "later")
		_, l := mustReceive(t, rings[3])
		got := make(chan string, 2)
		for _, r := range rings[1:3] {
			go func() { b, _ := r.Get(within(t), nil); got <- string(b) }()
		}
		eventually(t, func() bool { return rings[1].get.waiting()+rings[2].get.waiting() == 2 })
		require.NoError(t, l.Nack(5*time.Millisecond))
		mustPut(t, rings[0], "now")
		require.ElementsMatch(t, []string{"now", "later"}, []string{<-got, <-got})
	}
}

func TestLeaseOfTheDeadIsDeliveredAgain(t *testing.T) {
	for _, lap := range firstLaps {
		rings, mates := lendingRing(t, 4, 2, 3, 0, lap)
		mustPut(t, rings[0], "a")
		mustReceive(t, rings[1])
		asleep := start(func() string {
			l, err := rings[2].Receive(within(t))
			if err != nil {
				return err.Error()
			}
			b, _ := l.Bytes()
			return fmt.Sprint(string(b), l.Attempt())
		})
		blocks(t, asleep)
		mates[1].die()
		require.Equal(t, "a2", ends(t, asleep))
		mates[2].die()
		s, l := mustReceive(t, rings[3])
		require.Equal(t, "a", s)
		require.Equal(t, 3, l.Attempt())
		require.NoError(t, l.Ack())
		_, err := rings[0].TryReceive()
		require.ErrorIs(t, err, ErrEmpty)
	}
}

func TestRingCountsTheMessagesThatCameBack(t *testing.T) {
	rings, mates := lendingRing(t, 2, 4, 4, 0, 0)
	for range 3 {
		mustPut(t, rings[0], "a")
	}
	_, returned := mustReceive(t, rings[0])
	mustReceive(t, rings[1])
	require.Equal(t, 1, rings[0].Len(), "those on lease are not counted")
	require.NoError(t, returned.Nack(time.Hour))
	require.Equal(t, 2, rings[0].Len())
	mates[1].die()
	require.Equal(t, 3, rings[0].Len())
	require.False(t, rings[0].Full())
}

// A message of a dead consumer that is in its cell and on lease as well is one.
func TestRingCountsALeaseOfTheDeadOnce(t *testing.T) {
	rings, mates := lendingRing(t, 2, 4, 4, 0, 0)
	mustPut(t, rings[0], "a")
	taken, err := rings[1].TryTake()
	require.NoError(t, err)
	table, err := rings[1].lender.table()
	require.NoError(t, err)
	slot, ok := rings[1].lender.reserve(table)
	require.True(t, ok)
	cell, state := taken.cell, taken.state
	_, err = slot.lend(taken)
	require.NoError(t, err)
	cell.state.Store(state) // it was killed before it freed the cell
	mates[1].die()
	require.Equal(t, 1, rings[0].Len())
	s, _ := mustReceive(t, rings[0])
	require.Equal(t, "a", s)
	require.Zero(t, rings[0].Len())
}

// receiveSteps are the prefixes of Receive and Ack, each up to a shared step.
func receiveSteps() []ringStep {
	reserve := func(r *Ring) reserved {
		table, err := r.lender.table()
		if err != nil {
			panic(err)
		}
		slot, _ := r.lender.reserve(table)
		return slot
	}
	lend := func(r *Ring) {
		slot := reserve(r)
		t, _ := r.TryTake()
		msg, _ := t.Bytes()
		h := slot.table.at(slot.slot)
		h.length.Store(uint32(len(msg)))
		h.stamp.Store(t.stamp())
		h.attempt.Store(1)
		copy(slot.table.bytes(slot.slot), msg)
		h.state.Store(slot.state&^phaseMask | reading)
	}
	return []ringStep{
		{"before", func(r *Ring) {}, false},
		{"after reserving a slot", func(r *Ring) { reserve(r) }, false},
		{"after taking", func(r *Ring) { reserve(r); _, _ = r.TryTake() }, false},
		{"after lending, before freeing the cell", lend, false},
		{"on lease", func(r *Ring) { _, _ = r.TryReceive() }, false},
		{"returned, not told", func(r *Ring) {
			l, _ := r.TryReceive()
			l.slot.state.CompareAndSwap(l.state, passed(l.state)|ready)
		}, false},
		{"returned", func(r *Ring) { l, _ := r.TryReceive(); _ = l.Nack(0) }, false},
		{"acknowledged", func(r *Ring) { l, _ := r.TryReceive(); _ = l.Ack() }, true},
	}
}

func TestLeaseHolderKilledAfterEachStep(t *testing.T) {
	for _, step := range receiveSteps() {
		for _, lap := range firstLaps {
			for _, capacity := range []int{1, 2, 3} {
				for _, heir := range []string{"Get", "Receive"} {
					t.Run(fmt.Sprintf("%s, %d cells, lap %d, %s", step.name, capacity, lap, heir), func(t *testing.T) {
						t.Parallel()
						rings, mates := lendingRing(t, 3, capacity, 2, 0, lap)
						mustPut(t, rings[1], "victim's")
						joined := start(func() error { return rings[1].Join(within(t)) })
						blocks(t, joined)
						step.do(rings[0])
						mates[0].die()
						if !step.lost {
							takeBack(t, rings[2], heir)
						}
						require.NoError(t, ends(t, joined))
						for lap := range 3 { // ring and table are whole
							for i := range capacity {
								mustPut(t, rings[1], fmt.Sprint(lap, i))
							}
							require.ErrorIs(t, rings[1].TryPut(nil), ErrFull)
							for i := range capacity {
								require.Equal(t, fmt.Sprint(lap, i), mustTake(t, rings[2]))
							}
							mustPut(t, rings[1], "x")
							_, a := mustReceive(t, rings[2])
							mustPut(t, rings[1], "y")
							_, b := mustReceive(t, rings[1])
							require.NoError(t, errors.Join(a.Ack(), b.Ack()))
						}
					})
				}
			}
		}
	}
}

func takeBack(t *testing.T, r *Ring, how string) {
	if how == "Get" {
		b, err := r.Get(within(t), nil)
		require.NoError(t, err)
		require.Equal(t, "victim's", string(b))
		return
	}
	l, err := r.Receive(within(t))
	require.NoError(t, err)
	b, err := l.Bytes()
	require.NoError(t, err)
	require.Equal(t, "victim's", string(b))
	require.NoError(t, l.Ack())
}

func TestLeasesAllOutMakeReceiversWaitAndNobodyElse(t *testing.T) {
	rings, _ := lendingRing(t, 4, 4, 1, 0, 0)
	mustPut(t, rings[0], "a")
	_, first := mustReceive(t, rings[1])
	receiver := start(func() string {
		l, err := rings[2].Receive(within(t))
		if err != nil {
			return err.Error()
		}
		b, _ := l.Bytes()
		return string(b)
	})
	getter := start(func() string { b, _ := rings[3].Get(within(t), nil); return string(b) })
	blocks(t, receiver)
	blocks(t, getter)
	mustPut(t, rings[0], "b")
	require.Equal(t, "b", ends(t, getter), "whoever needs no lease gets it")
	mustPut(t, rings[0], "c")
	blocks(t, receiver)
	require.NoError(t, first.Ack())
	require.Equal(t, "c", ends(t, receiver))
}

func TestLeasesOfOthersKeepAClosedRingOpenForReceivers(t *testing.T) {
	rings, mates := lendingRing(t, 3, 4, 4, 0, 0)
	mustPut(t, rings[0], "a")
	mustPut(t, rings[0], "b")
	_, mine := mustReceive(t, rings[1])
	mustReceive(t, rings[2])
	require.NoError(t, rings[0].Close())
	waiting := start(func() Lease { l, _ := rings[1].Receive(within(t)); return l })
	blocks(t, waiting)
	mates[2].die()
	l := ends(t, waiting)
	require.Equal(t, 2, l.Attempt())
	_, err := rings[1].Receive(within(t))
	require.ErrorIs(t, err, ErrClosed, "its own leases are not waited for")
	last := start(func() error { _, err := rings[0].Receive(within(t)); return err })
	blocks(t, last)
	require.NoError(t, l.Ack())
	blocks(t, last)
	require.NoError(t, mine.Ack())
	require.ErrorIs(t, ends(t, last), ErrClosed)
}

func TestJoinWaitsForTheLastMessage(t *testing.T) {
	rings, _ := lendingRing(t, 3, 4, 4, 0, 0)
	require.NoError(t, rings[0].Join(within(t)), "nothing was put")
	mustPut(t, rings[0], "a")
	mustPut(t, rings[0], "b")
	joined := start(func() error { return rings[1].Join(within(t)) })
	blocks(t, joined)
	_, l := mustReceive(t, rings[2])
	taken, err := rings[2].TryTake()
	require.NoError(t, err)
	blocks(t, joined)
	require.NoError(t, l.Nack(0))
	blocks(t, joined)
	taken.Release()
	blocks(t, joined)
	_, l = mustReceive(t, rings[2])
	require.NoError(t, l.Ack())
	require.NoError(t, ends(t, joined))
}

func TestJoinEndsWithContextAndView(t *testing.T) {
	rings, _ := lendingRing(t, 2, 4, 4, 0, 0)
	mustPut(t, rings[0], "a")
	joined := start(func() error { return rings[1].Join(t.Context()) })
	blocks(t, joined)
	rings[1].Detach()
	require.ErrorIs(t, ends(t, joined), ErrClosed)
	require.ErrorIs(t, rings[1].Join(t.Context()), ErrClosed)
}

func TestJoinIsNotHeldUpByTheClaimOfADeadProducer(t *testing.T) {
	rings, mates := lendingRing(t, 3, 4, 4, 0, 0)
	mustPut(t, rings[0], "a")
	_, err := rings[1].TryClaim()
	require.NoError(t, err)
	taken, err := rings[0].TryTake()
	require.NoError(t, err)
	joined := start(func() error { return rings[2].Join(within(t)) })
	blocks(t, joined)
	mates[1].die()
	taken.Release()
	require.NoError(t, ends(t, joined))
}

func TestLeaseTableIsNotTrusted(t *testing.T) {
	mem := leaseMemory(t, 4, 8, 0)
	_, err := openLeases(mem[:100])
	require.ErrorIs(t, err, shm.ErrDamaged)
	_, err = openLeases(make([]byte, 4096))
	require.ErrorIs(t, err, shm.ErrDamaged)
	for _, damage := range []func(*leaseGeometry){
		func(g *leaseGeometry) { g.count = 1 << 20 },
		func(g *leaseGeometry) { g.count = 0 },
		func(g *leaseGeometry) { g.stride = 0 },
		func(g *leaseGeometry) { g.inline = 1 << 20 },
	} {
		bad := leaseMemory(t, 4, 8, 0)
		damage(shm.At[leaseGeometry](alignTo(bad, cellAlign), 0))
		_, err = openLeases(bad)
		require.ErrorIs(t, err, shm.ErrDamaged)
	}
	rings, _ := lendingRing(t, 2, 2, 2, 0, 0)
	mustPut(t, rings[0], "a")
	_, l := mustReceive(t, rings[1])
	l.slot.length.Store(1 << 31)
	_, err = l.Bytes()
	require.ErrorIs(t, err, shm.ErrDamaged)
	require.NoError(t, l.Nack(0))
	_, err = rings[0].TryGet(nil)
	require.ErrorIs(t, err, shm.ErrDamaged, "reported once")
	_, err = rings[0].TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
	for range 1000 { // any words: errors perhaps, but no panic and no endless loop
		for i := range 2 {
			h := rings[0].lender.opened.Load().at(i)
			h.state.Store(rand.Uint64())
			h.stamp.Store(rand.Uint64())
			h.due.Store(int64(rand.Uint64()))
			h.length.Store(rand.Uint32())
		}
		rings[0].lender.words.marks.Store(rand.Uint64())
		if l, err := rings[0].TryReceive(); err == nil {
			_, _ = l.Bytes()
			_ = l.Ack()
		}
		_, _ = rings[1].TryGet(nil)
	}
}

func TestLeaseRefusesWhatCannotBe(t *testing.T) {
	for _, c := range []struct{ count, inline int }{{0, 8}, {-1, 8}, {1, -1}, {MaxLeases + 1, 8}} {
		_, err := LeaseTableSize(c.count, c.inline)
		require.Error(t, err)
	}
	rings, _ := aRing(t, 1, 2, 8, 0)
	_, err := rings[0].TryReceive()
	require.ErrorIs(t, err, errNoLeases)
	require.False(t, rings[0].HasLeases())
}

// Simulated processes that put, receive, acknowledge, return, and die at random.
// Every message that was committed is acknowledged once, or was on a lease whose
// acknowledgement the dying process had just made.
func TestLeasesStormOfDeaths(t *testing.T) {
	for _, capacity := range []int{1, 3, 8} {
		for _, lap := range firstLaps {
			leasesStorm(t, capacity, lap)
		}
	}
}

func leasesStorm(t *testing.T, capacity int, lap uint64) {
	const lives, each = 30, 30
	mem := ringMemory(t, capacity, 8)
	require.NoError(t, initRing(mem, capacity, 8, lap))
	table := leaseMemory(t, 6, 8, 0)
	w := newWorld(t)
	var mu sync.Mutex
	open := func() (*Ring, *mate) {
		mu.Lock()
		defer mu.Unlock()
		m := w.mate()
		r, err := OpenRing(m, mem)
		require.NoError(t, err)
		r.Leases(func(uint64) ([]byte, error) { return table, nil })
		r.SetLeaseTable(1)
		return r, m
	}
	var id, committed, acknowledged shared.Uint64
	var acked sync.Map
	put := func() {
		r, m := open()
		for range each {
			if r.Put(t.Context(), binary.LittleEndian.AppendUint64(nil, id.Add(1))) == nil {
				committed.Add(1)
			}
		}
		if _, err := r.TryClaim(); err == nil || errors.Is(err, ErrFull) {
			m.die()
		}
	}
	receive := func(rng *rand.Rand) bool {
		r, m := open()
		for range each {
			l, err := r.Receive(t.Context())
			if err != nil {
				require.ErrorIs(t, err, ErrClosed)
				return false
			}
			b, err := l.Bytes()
			require.NoError(t, err)
			number := string(b)
			switch rng.IntN(4) {
			case 0:
				require.NoError(t, l.Nack(time.Duration(rng.IntN(2000))))
			default:
				_, twice := acked.LoadOrStore(number, true)
				require.False(t, twice)
				acknowledged.Add(1)
				require.NoError(t, l.Ack())
			}
		}
		steps := receiveSteps()
		if r.Len() > 1 && rng.IntN(2) == 0 {
			_, _ = r.TryReceive()
		} else if rng.IntN(2) == 0 {
			steps[1].do(r)
		}
		m.die()
		return true
	}
	var putters, takers sync.WaitGroup
	for i := range 2 {
		putters.Go(func() {
			for range lives {
				put()
			}
		})
		takers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for receive(rng) {
			}
		})
	}
	putters.Wait()
	r, _ := open()
	require.NoError(t, r.Join(within(t)))
	require.Equal(t, committed.Load(), acknowledged.Load())
	require.NoError(t, r.Close())
	takers.Wait()
	require.Zero(t, r.Len())
	futex.WakeAll(&w.epoch)
}

func TestBatchesKeepOrderAndFitTheRing(t *testing.T) {
	for _, lap := range firstLaps {
		for _, capacity := range []int{1, 3, 8, 20} {
			rings, _ := aRing(t, 2, capacity, 8, lap)
			next, want := 0, 0
			for round := range 40 {
				claims := make([]Claimed, 1+round%19)
				n, err := rings[0].TryClaimBatch(claims)
				require.NoError(t, err)
				require.Equal(t, min(capacity, len(claims)), n)
				for _, c := range claims[:n] {
					c.Fill(copy(c.Bytes(), fmt.Sprint(next)))
					next++
				}
				_, err = rings[1].TryTake()
				require.ErrorIs(t, err, ErrEmpty, "not committed yet")
				CommitBatch(claims[:n], n)
				require.Equal(t, n, rings[1].Len())
				for want < next {
					taken := make([]Taken, 1+round%13)
					n, err := rings[1].TryTakeBatch(taken)
					require.NoError(t, err)
					for _, m := range taken[:n] {
						b, err := m.Bytes()
						require.NoError(t, err)
						require.Equal(t, fmt.Sprint(want), string(b))
						want++
					}
					ReleaseBatch(taken[:n])
				}
			}
		}
	}
}

// A process is killed when it has claimed, or taken, more cells than the hint says.
func TestBatchOfAKilledProcess(t *testing.T) {
	for _, lap := range firstLaps {
		rings, mates := aRing(t, 4, 4, 8, lap)
		c := rings[0].cells.Load()
		for pos, i := c.tail.Load(), 0; i < 3; pos, i = c.next(pos), i+1 { // as claimMore, before moveOn
			free := vacantAt(pos, c.shift)
			require.True(t, c.at(pos).state.CompareAndSwap(free, free|c.me|writing))
		}
		blocked := start(func() string { b, _ := rings[1].Get(within(t), nil); return string(b) })
		mustPut(t, rings[2], "behind")
		blocks(t, blocked)
		mates[0].die()
		require.Equal(t, "behind", ends(t, blocked))
		for i := range 4 {
			mustPut(t, rings[2], fmt.Sprint(i))
		}
		c = rings[3].cells.Load()
		for pos, i := c.head.Load(), 0; i < 3; pos, i = c.next(pos), i+1 { // as takeMore
			free := vacantAt(pos, c.shift)
			require.True(t, c.at(pos).state.CompareAndSwap(free|ready, free|c.me|reading))
		}
		require.Equal(t, "3", mustTake(t, rings[1]))
		mates[3].die()
		require.ElementsMatch(t, []string{"0", "1", "2"},
			[]string{mustTake(t, rings[1]), mustTake(t, rings[1]), mustTake(t, rings[2])})
		_, err := rings[1].TryGet(nil)
		require.ErrorIs(t, err, ErrEmpty)
	}
}

func TestBatchWakesAsManyAsItHasMessages(t *testing.T) {
	rings, _ := aRing(t, 4, 4, 8, 0)
	got := make(chan string, 3)
	for _, r := range rings[1:] {
		go func() { b, _ := r.Get(within(t), nil); got <- string(b) }()
	}
	eventually(t, func() bool {
		return rings[1].get.waiting()+rings[2].get.waiting()+rings[3].get.waiting() == 3
	})
	claims := make([]Claimed, 3)
	n, err := rings[0].ClaimBatch(within(t), claims)
	require.NoError(t, err)
	for i, c := range claims[:n] {
		c.Fill(copy(c.Bytes(), fmt.Sprint(i)))
	}
	CommitBatch(claims[:n], n)
	require.ElementsMatch(t, []string{"0", "1", "2"}, []string{<-got, <-got, <-got})
}

// The death comes between the look at the leases and that at the cells.
func TestLeaseNotYetOutOfItsCellIsNotInheritedTwice(t *testing.T) {
	rings, mates := lendingRing(t, 3, 2, 2, 0, 0)
	mustPut(t, rings[0], "once")
	receiveSteps()[3].do(rings[1])
	mates[1].die()
	c := rings[2].cells.Load()
	taken, ok, err := c.inherit(c.epoch.Load())
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 2, taken.Attempt())
	b, err := taken.Bytes()
	require.NoError(t, err)
	require.Equal(t, "once", string(b))
	for _, r := range rings {
		_, err = r.TryReceive()
		require.ErrorIs(t, err, ErrEmpty)
	}
	taken.Release()
	require.NoError(t, rings[0].Join(within(t)))
}

// A receiver is woken for a message, and the last slot has gone meanwhile: then
// the message is for a sleeper that needs none.
func TestReceiverWithoutSlotPassesTheWakeUpOn(t *testing.T) {
	rings, _ := lendingRing(t, 4, 4, 1, 0, 0)
	receiver := start(func() error { _, err := rings[1].Receive(within(t)); return err })
	blocks(t, receiver)
	getter := start(func() string { b, _ := rings[2].Get(within(t), nil); return string(b) })
	blocks(t, getter)
	table, err := rings[3].lender.table()
	require.NoError(t, err)
	slot, ok := rings[3].lender.reserve(table)
	require.True(t, ok)
	mustPut(t, rings[0], "a")
	require.Equal(t, "a", ends(t, getter))
	blocks(t, receiver)
	slot.giveUp()
	mustPut(t, rings[0], "b")
	require.NoError(t, ends(t, receiver))
}

func TestConsumerThatLeavesPassesTheAlarmOn(t *testing.T) {
	rings, _ := lendingRing(t, 3, 4, 4, 0, 0)
	mustPut(t, rings[0], "later")
	_, l := mustReceive(t, rings[1])
	require.NoError(t, l.Nack(long))
	_, err := rings[1].TryTake() // notes when it is due
	require.ErrorIs(t, err, ErrEmpty)
	got := start(func() string { b, _ := rings[1].Get(within(t), nil); return string(b) })
	c := rings[2].cells.Load()
	eventually(t, c.puts.awaited)
	blocks(t, got)
	asleep := vigil{bell: c.puts}
	before := asleep.announce()
	mustPut(t, rings[0], "now")
	require.Equal(t, "now", ends(t, got))
	eventually(t, func() bool { return c.puts.rung.Load() == before+2 })
}
