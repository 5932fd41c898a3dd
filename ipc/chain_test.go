package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/shm"
)

// A ground is where the segments of one ring lie in tests. What nobody has open
// and the chain does not have is destroyed.
type ground struct {
	mu     sync.Mutex
	main   []byte
	plots  map[uint64]*plot
	last   uint64
	made   int
	barren bool // there is no more memory
}

type plot struct {
	mem    []byte
	opened int
}

// A deed is one process's way to the ground.
type deed struct{ *ground }

func (d deed) New(n int) (uint64, []byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.barren {
		return 0, nil, syscall.ENOSPC
	}
	d.last++ // 1 is the lease table
	d.made++
	mem := alignTo(make([]byte, n+cellAlign), cellAlign)[:n]
	d.plots[d.last] = &plot{mem: mem, opened: 1}
	return d.last, mem, nil
}

func (d deed) Open(name uint64) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.plots[name]
	if p == nil {
		return nil, ErrClosed
	}
	p.opened++
	return p.mem, nil
}

func (d deed) Close(name uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.plots[name]
	p.opened--
	if p.opened == 0 && !d.inChain(name) {
		delete(d.plots, name)
		for i := range len(p.mem) / 8 {
			shm.At[shared.Uint64](p.mem, 8*i).Store(0xdeaddeaddeaddead)
		}
	}
}

func (d deed) inChain(name uint64) bool {
	return InChain(d.main, d.peek, func(n uint64) bool { return n == name })
}

func (d deed) peek(name uint64) []byte {
	if p := d.plots[name]; p != nil {
		return p.mem
	}
	return nil
}

// peekWith is peek that finds the lease table, too.
func (d deed) peekWith(t *testing.T, l *lender) func(uint64) []byte {
	table, err := l.open(1)
	require.NoError(t, err)
	return func(name uint64) []byte {
		if name == l.words.table.Load() {
			return table
		}
		return d.peek(name)
	}
}

func (d deed) segments() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.plots)
}

// aChain gives one view of one growing ring to each of n processes.
func aChain(t testing.TB, n, capacity int) ([]*Ring, []*mate, deed) {
	return aLendingChain(t, n, capacity, 4)
}

func aLendingChain(t testing.TB, n, capacity, leases int) ([]*Ring, []*mate, deed) {
	return aChainFrom(t, 0, n, capacity, leases)
}

// aChainFrom begins with a segment of that number.
func aChainFrom(t testing.TB, number uint32, n, capacity, leases int) ([]*Ring, []*mate, deed) {
	mem := ringMemory(t, capacity, 8)
	require.NoError(t, initGrowingRing(mem, capacity, 8, number))
	land := deed{&ground{main: mem, last: 1, plots: make(map[uint64]*plot)}}
	w := newWorld(t)
	var rings []*Ring
	var mates []*mate
	table := leaseMemory(t, leases, 8, 0)
	for range n {
		m := w.mate()
		rings, mates = append(rings, land.open(t, m, table)), append(mates, m)
	}
	return rings, mates, land
}

func (d deed) open(t testing.TB, m *mate, table []byte) *Ring {
	r, err := OpenGrowingRing(m, d.main, d)
	require.NoError(t, err)
	r.Leases(func(uint64) ([]byte, error) { return table, nil })
	r.SetLeaseTable(1)
	return r
}

func TestGrowingRingRefusesNothing(t *testing.T) {
	rings, _, land := aChain(t, 2, 1)
	for i := range 1000 {
		mustPut(t, rings[0], fmt.Sprint(i))
	}
	require.Equal(t, 1000, rings[0].Len())
	require.Zero(t, rings[0].Cap())
	require.Greater(t, land.segments(), 3)
	for i := range 1000 {
		require.Equal(t, fmt.Sprint(i), mustTake(t, rings[1]))
	}
	_, err := rings[1].TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
	_, err = rings[0].TryGet(nil)
	require.ErrorIs(t, err, ErrEmpty)
	require.LessOrEqual(t, land.segments(), 1, "passed segments are given back")
}

func TestGrowingRingShrinksAgain(t *testing.T) {
	rings, _, land := aChain(t, 3, 2)
	for i := range 500 {
		mustPut(t, rings[i%2], fmt.Sprint(i))
		require.Equal(t, fmt.Sprint(i), mustTake(t, rings[1-i%2]))
		require.LessOrEqual(t, land.segments(), 3)
	}
	mustPut(t, rings[2], "stranger")
	require.Equal(t, "stranger", mustTake(t, rings[0]))
	for i := range 500 {
		mustPut(t, rings[0], fmt.Sprint(i))
		require.Equal(t, fmt.Sprint(i), mustTake(t, rings[0]))
	}
	mustPut(t, rings[1], "late")
	require.Equal(t, "late", mustTake(t, rings[2]))
}

// A process that only looks sees all messages, and keeps no segment that is passed.
func TestGrowingRingIsCountedByWhoOnlyLooks(t *testing.T) {
	rings, _, land := aChain(t, 3, 1)
	looks := map[string]func() bool{
		"Len":      func() bool { return rings[2].Len() > 0 },
		"readable": func() bool { return rings[2].readable() == nil },
	}
	for name, some := range looks {
		for i := range 100 {
			mustPut(t, rings[0], fmt.Sprint(i))
			require.True(t, some(), "%s after %d", name, i)
		}
		for i := range 100 {
			require.True(t, some(), name)
			require.Equal(t, fmt.Sprint(i), mustTake(t, rings[1]))
		}
		require.False(t, some(), name)
		_, err := rings[0].TryGet(nil)
		require.ErrorIs(t, err, ErrEmpty)
		require.LessOrEqual(t, land.segments(), 1, "%s keeps none", name)
	}
}

func TestGrowingRingOpenedLate(t *testing.T) {
	rings, mates, land := aChain(t, 1, 2)
	for i := range 100 {
		mustPut(t, rings[0], fmt.Sprint(i))
		require.Equal(t, fmt.Sprint(i), mustTake(t, rings[0]))
	}
	mustPut(t, rings[0], "kept")
	late := land.open(t, mates[0].world.mate(), nil)
	require.Equal(t, "kept", mustTake(t, late))
	mustPut(t, late, "back")
	require.Equal(t, "back", mustTake(t, rings[0]))
}

func TestGrowingRingCloses(t *testing.T) {
	rings, _, land := aChain(t, 2, 2)
	for i := range 9 {
		mustPut(t, rings[0], fmt.Sprint(i))
	}
	waiting := start(func() (got []string) {
		for {
			b, err := rings[1].Get(within(t), nil)
			if err != nil {
				require.ErrorIs(t, err, ErrClosed)
				return got
			}
			got = append(got, string(b))
		}
	})
	blocks(t, waiting)
	require.NoError(t, rings[0].Close())
	require.Len(t, ends(t, waiting), 9)
	require.ErrorIs(t, rings[0].TryPut(nil), ErrClosed)
	rings[0].Detach()
	rings[1].Detach()
	require.ErrorIs(t, rings[0].TryPut(nil), ErrClosed)
	_, err := rings[1].TryGet(nil)
	require.ErrorIs(t, err, ErrClosed)
	for name := range land.plots { // the ring's memory goes: so does the chain's
		require.Zero(t, land.plots[name].opened)
	}
}

func TestGrowingRingWithoutMemorySaysSo(t *testing.T) {
	rings, _, land := aChain(t, 2, 2)
	mustPut(t, rings[0], "a")
	mustPut(t, rings[0], "b")
	land.barren = true
	require.ErrorIs(t, rings[0].TryPut([]byte("c")), syscall.ENOSPC)
	require.ErrorIs(t, rings[0].Put(within(t), []byte("c")), syscall.ENOSPC)
	require.Equal(t, "a", mustTake(t, rings[1]))
	land.barren = false
	mustPut(t, rings[0], "c")
	require.Equal(t, "b", mustTake(t, rings[1]))
	require.Equal(t, "c", mustTake(t, rings[1]))
}

func TestGrowingRingMessagesOfTheDeadComeBack(t *testing.T) {
	rings, mates, _ := aChain(t, 4, 2)
	for i := range 9 {
		mustPut(t, rings[0], fmt.Sprint(i))
	}
	var got []string
	for i := range 8 {
		taken, err := rings[1+i%2].TryTake()
		require.NoError(t, err)
		if i%4 > 1 {
			b, _ := taken.Bytes()
			got = append(got, string(b))
			taken.Release()
		}
	}
	mates[1].die()
	joined := start(func() error { return rings[0].Join(within(t)) })
	got = append(got, mustTake(t, rings[3]), mustTake(t, rings[3]), mustTake(t, rings[3]))
	blocks(t, joined)
	mates[2].die()
	got = append(got, mustTake(t, rings[3]), mustTake(t, rings[0]))
	require.ElementsMatch(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8"}, got)
	require.NoError(t, ends(t, joined))
}

func TestGrowingRingLeasesOutliveTheirSegments(t *testing.T) {
	rings, mates, land := aChain(t, 4, 2)
	mustPut(t, rings[0], "long")
	_, long := mustReceive(t, rings[1])
	stamp := long.slot.stamp.Load()
	mustPut(t, rings[0], "dead's")
	mustReceive(t, rings[2])
	for i := range 100 {
		mustPut(t, rings[0], fmt.Sprint(i))
		s, l := mustReceive(t, rings[3])
		require.Equal(t, fmt.Sprint(i), s)
		require.NoError(t, l.Ack())
	}
	require.LessOrEqual(t, land.segments(), 3)
	table := rings[0].lender
	require.True(t, Pending(mates[0], land.main, land.peekWith(t, table), stamp))
	require.False(t, Pending(mates[0], land.main, land.peekWith(t, table), stamp+2))
	mates[2].die()
	s, l := mustReceive(t, rings[3])
	require.Equal(t, "dead's", s)
	require.NoError(t, l.Ack())
	joined := start(func() error { return rings[3].Join(within(t)) })
	blocks(t, joined)
	require.NoError(t, long.Ack())
	require.NoError(t, ends(t, joined))
}

// A mortal is a process's way to the ground on which it dies: before, or after, what it
// asks there for the nth time.
type mortal struct {
	deed
	left  int      // steps before it dies
	holds []uint64 // the names of what it has open, which its burial closes
	dead  bool
}

func (m *mortal) step() {
	if m.left--; m.left < 0 {
		m.dead = true
		panic(m)
	}
}

func (m *mortal) New(n int) (uint64, []byte, error) {
	m.step()
	name, mem, err := m.deed.New(n)
	m.holds = append(m.holds, name)
	m.step()
	return name, mem, err
}

func (m *mortal) Open(name uint64) ([]byte, error) {
	m.step()
	mem, err := m.deed.Open(name)
	if err == nil {
		m.holds = append(m.holds, name)
	}
	m.step()
	return mem, err
}

// Close does nothing in what is deferred when the process is dead.
func (m *mortal) Close(name uint64) {
	if m.dead {
		return
	}
	m.step()
	m.deed.Close(name)
	i := slices.Index(m.holds, name)
	m.holds = slices.Delete(m.holds, i, i+1)
	m.step()
}

// dies reports whether the process died in do, and was buried.
func (m *mortal) dies(mate *mate, do func()) (died bool) {
	defer func() {
		if failure := recover(); failure != nil && failure != m {
			panic(failure)
		}
		if died = m.dead; died {
			mate.die()
			for _, name := range m.holds {
				m.deed.Close(name)
			}
		}
	}()
	do()
	m.left = math.MaxInt
	return false
}

// aMortalChain is a growing ring of three processes, of which the first dies after so
// many steps.
func aMortalChain(t *testing.T, steps int) ([]*Ring, []*mate, *mortal) {
	rings, mates, land := aChain(t, 3, 2)
	m := &mortal{deed: land, left: steps}
	rings[0].chain.segments = m
	return rings, mates, m
}

// requireNoneLost checks that all segments are in the chain, or that somebody who lives
// will give them back.
func (d deed) requireNoneLost(t *testing.T) {
	t.Helper()
	for name, p := range d.plots {
		require.True(t, d.inChain(name) || p.opened > 0, "segment %d belongs to nobody", name)
	}
}

func TestGrowingRingGrowerKilledAfterEachStep(t *testing.T) {
	for steps, died := 0, true; died; steps++ {
		rings, mates, m := aMortalChain(t, steps)
		mustPut(t, rings[1], "0")
		mustPut(t, rings[1], "1")
		died = m.dies(mates[0], func() { mustPut(t, rings[0], "victim") })
		require.True(t, died || steps > 5, "its steps are before and after making, opening and closing the segment")
		require.LessOrEqual(t, m.segments(), 1)
		m.requireNoneLost(t)
		mustPut(t, rings[1], "after")
		require.Equal(t, 1, m.segments(), "there is one new segment")
		want := []string{"0", "1", "victim", "after"}
		if died {
			want = slices.Delete(want, 2, 3)
		}
		for _, s := range want {
			require.Equal(t, s, mustTake(t, rings[2]))
		}
		if !died {
			rings[0].Detach()
		}
		requireShrunk(t, rings[1:], m.deed)
	}
}

// The process passes two segments, and retires one that has a name. It opens them on its
// way, or knows them, and nobody else does, for it has made them.
func TestGrowingRingRetirerKilledAfterEachStep(t *testing.T) {
	for _, knows := range []bool{false, true} {
		steps := 0
		for retires(t, steps, knows) {
			steps++
		}
		require.GreaterOrEqual(t, steps, map[bool]int{false: 2 + 2 + 2, true: 2}[knows],
			"before and after opening two segments, and closing one")
	}
}

// retires reports whether a process died within so many steps of retiring a segment.
func retires(t *testing.T, steps int, knows bool) (died bool) {
	const messages = 2 + 4 + 1
	rings, mates, m := aMortalChain(t, math.MaxInt)
	putter := rings[1]
	if knows {
		putter = rings[0]
	}
	for i := range messages {
		mustPut(t, putter, fmt.Sprint(i))
	}
	m.left = steps
	next := 0
	died = m.dies(mates[0], func() {
		for ; next < messages; next++ {
			require.Equal(t, fmt.Sprint(next), mustTake(t, rings[0]))
		}
	})
	m.requireNoneLost(t)
	for ; next < messages; next++ {
		require.Equal(t, fmt.Sprint(next), mustTake(t, rings[2]), "%d steps", steps)
	}
	if !died {
		rings[0].Detach()
	}
	requireShrunk(t, rings[1:], m.deed)
	return died
}

// requireShrunk checks that an empty ring has kept one segment, which works.
func requireShrunk(t *testing.T, rings []*Ring, land deed) {
	t.Helper()
	for _, r := range rings {
		_, err := r.TryGet(nil)
		require.ErrorIs(t, err, ErrEmpty)
	}
	require.LessOrEqual(t, land.segments(), 1)
	mustPut(t, rings[0], "late")
	require.Equal(t, "late", mustTake(t, rings[1]))
}

func TestGrowingRingStormOfDeaths(t *testing.T) {
	for _, capacity := range []int{1, 4} {
		mem := ringMemory(t, capacity, 8)
		require.NoError(t, InitGrowingRing(mem, capacity, 8))
		land := deed{&ground{main: mem, last: 1, plots: make(map[uint64]*plot)}}
		w := newWorld(t)
		table := leaseMemory(t, 4, 8, 0)
		var mu sync.Mutex
		open := func() (*Ring, *mate) {
			mu.Lock()
			defer mu.Unlock()
			m := w.mate()
			return land.open(t, m, table), m
		}
		var id, committed shared.Uint64
		var got sync.Map
		var putters, takers sync.WaitGroup
		for range 2 {
			putters.Go(func() {
				for range 20 {
					r, m := open()
					for range 50 {
						if r.Put(t.Context(), binary.LittleEndian.AppendUint64(nil, id.Add(1))) == nil {
							committed.Add(1)
						}
					}
					_, _ = r.TryClaim()
					m.die()
					r.Detach()
				}
			})
		}
		for range 2 {
			takers.Go(func() {
				for {
					r, m := open()
					for i := range 40 {
						l, err := r.Receive(t.Context())
						if err != nil {
							if !errors.Is(err, ErrClosed) {
								t.Error(err)
							}
							m.die()
							r.Detach()
							return
						}
						b, _ := l.Bytes()
						if i == 39 {
							break
						}
						if _, twice := got.LoadOrStore(string(b), true); twice {
							t.Error("twice")
						}
						_ = l.Ack()
					}
					m.die()
					r.Detach()
				}
			})
		}
		putters.Wait()
		r, m := open()
		require.NoError(t, r.Join(within(t)))
		require.NoError(t, r.Close())
		takers.Wait()
		n := 0
		got.Range(func(any, any) bool { n++; return true })
		require.EqualValues(t, committed.Load(), n)
		m.die()
		r.Detach()
		require.LessOrEqual(t, land.segments(), 2)
	}
}

// A process that knows only the first segment takes over a lease of the dead from a
// later one, which was not yet out of its cell.
func TestGrowingRingLeaseFromAnUnknownSegmentIsDeliveredOnce(t *testing.T) {
	rings, mates, _ := aChain(t, 4, 2)
	for i := range 5 {
		mustPut(t, rings[0], fmt.Sprint(i))
		if i < 4 {
			require.Equal(t, fmt.Sprint(i), mustTake(t, rings[1]))
		}
	}
	requireTakenOverOnce(t, rings, mates, "4")
}

// requireTakenOverOnce kills the second of four when it has lent the only message to itself
// and not freed its cell: the others have the message once.
func requireTakenOverOnce(t *testing.T, rings []*Ring, mates []*mate, message string) {
	t.Helper()
	receiveSteps()[3].do(rings[1]) // lent, and the cell not freed
	mates[1].die()
	got, l := mustReceive(t, rings[2])
	require.Equal(t, message, got)
	for _, r := range []*Ring{rings[3], rings[0], rings[2]} {
		_, err := r.TryReceive()
		require.ErrorIs(t, err, ErrEmpty)
		_, err = r.TryGet(nil)
		require.ErrorIs(t, err, ErrEmpty)
	}
	require.NoError(t, l.Ack())
	require.NoError(t, rings[3].Join(within(t)))
}
