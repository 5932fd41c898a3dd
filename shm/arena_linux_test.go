package shm

import (
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

const testKind = KindUser + 100

func newArena(t testing.TB, size int64) *Arena {
	t.Helper()
	a, err := Create(size)
	require.NoError(t, err)
	return a
}

func TestABlockIsZeroedAndNamedByItsRef(t *testing.T) {
	a := newArena(t, 4<<20)
	for _, n := range []int{0, 1, 64, 65, 1000, 16 << 10, 16<<10 + 1, 64 << 10, 64<<10 + 1, 1 << 20} {
		o, err := a.New(testKind, 7, n)
		require.NoError(t, err, n)
		require.Len(t, o.Bytes(), max(n, 1))
		for i, b := range o.Bytes() {
			if b != 0 {
				t.Fatalf("byte %d of a new block of %d is %d", i, n, b)
			}
			o.Bytes()[i] = 0xff
		}
		again, err := a.Open(o.Ref(), testKind, 7)
		require.NoError(t, err)
		require.Same(t, o, again)
		again.Close()
		o.Close()
		_, err = a.Open(o.Ref(), testKind, 7)
		require.ErrorIs(t, err, ErrClosed)
	}
	require.Zero(t, a.Stats().Blocks)
}

func TestAnOldRefNeverReachesANewObject(t *testing.T) {
	a := newArena(t, 4<<20)
	old, err := a.New(testKind, 0, 64)
	require.NoError(t, err)
	ref := old.Ref()
	old.Close()
	next, err := a.New(testKind, 0, 64)
	require.NoError(t, err)
	require.Equal(t, ref.Off, next.Ref().Off, "the place is used again")
	_, err = a.Open(ref, testKind, 0)
	require.ErrorIs(t, err, ErrClosed)
	_, err = a.Open(next.Ref(), testKind, 0)
	require.NoError(t, err)
}

func TestOpenRefusesWhatIsNotMeant(t *testing.T) {
	a, b := newArena(t, 1<<20), newArena(t, 1<<20)
	o, err := a.New(testKind, 1, 64)
	require.NoError(t, err)
	_, err = b.Open(o.Ref(), testKind, 1)
	require.ErrorIs(t, err, ErrForeign)
	_, err = a.Open(o.Ref(), testKind, 2)
	require.ErrorIs(t, err, ErrForeign)
	_, err = a.Open(o.Ref(), testKind+1, 1)
	require.ErrorIs(t, err, ErrForeign)
	for _, off := range []uint64{0, 1, 64, 1 << 20, 1 << 62, ^uint64(0), o.Ref().Off + 1, o.Ref().Off + 64} {
		r := o.Ref()
		r.Off = off
		_, err = a.Open(r, testKind, 1)
		require.Error(t, err, "%#x", off)
	}
	require.Equal(t, 1, a.Stats().Blocks)
}

func TestAFullArenaIsAnErrorAndUsableAfterwards(t *testing.T) {
	a := newArena(t, MinArena)
	_, err := a.New(testKind, 0, 2<<20)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = a.New(testKind, 0, -1)
	require.Error(t, err)
	for range 3 {
		var all []*Object
		for {
			o, err := a.New(testKind, 0, 100<<10)
			if err != nil {
				require.ErrorIs(t, err, syscall.ENOSPC)
				break
			}
			all = append(all, o)
		}
		require.NotEmpty(t, all)
		require.Len(t, all, a.Stats().Blocks)
		for _, o := range all {
			o.Close()
		}
		require.Zero(t, a.Stats().Units)
	}
}

func TestBlocksThatListNothingMayLieAmongThoseThatDoWhenTheArenaIsFull(t *testing.T) {
	a := newArena(t, MinArena)
	o, err := a.New(testKind, 0, 8)
	require.NoError(t, err)
	p, err := a.NewParcel([]Ref{o.Ref()}, 8)
	require.NoError(t, err)
	var all []*Object
	for err == nil { // all small blocks, and the units for more of them
		all = append(all, o)
		o, err = a.New(testKind, 0, 8)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	c, _ := a.spanClass(p.place.unit)
	require.True(t, c.carries())
	require.Equal(t, p.place.unit, all[len(all)-1].place.unit, "there was room beside the parcel")
	for _, o := range all[1:] {
		o.Close()
	}
	listed, err := a.Open(p.Kept()[0], testKind, 0)
	require.NoError(t, err)
	listed.Close()
	all[0].Close()
	p.Close()
	requireClean(t, a, 0)
}

func TestBlocksOfManyGoroutinesDoNotOverlap(t *testing.T) {
	a := newArena(t, 256<<20)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			var mine []*Object
			for range 400 {
				if len(mine) > 20 {
					i := rng.IntN(len(mine))
					checkFill(t, mine[i], byte(g+1))
					mine[i].Close()
					mine[i] = mine[len(mine)-1]
					mine = mine[:len(mine)-1]
				}
				n := 1 << rng.IntN(19)
				o, err := a.New(testKind, 0, n)
				if err != nil {
					t.Error(err)
					return
				}
				checkFill(t, o, 0)
				for i := range o.Bytes() {
					o.Bytes()[i] = byte(g + 1)
				}
				mine = append(mine, o)
			}
			for _, o := range mine {
				checkFill(t, o, byte(g+1))
				o.Close()
			}
		})
	}
	wg.Wait()
	require.Zero(t, a.Stats().Blocks)
	require.Zero(t, a.Stats().Bytes)
}

func checkFill(t *testing.T, o *Object, want byte) {
	for i, b := range o.Bytes() {
		if b != want {
			t.Errorf("byte %d of %v is %d, want %d", i, o.Ref(), b, want)
			return
		}
	}
}

func TestAParcelKeepsWhatItLists(t *testing.T) {
	a := newArena(t, 4<<20)
	o, err := a.New(testKind, 0, 64)
	require.NoError(t, err)
	p, err := a.NewParcel([]Ref{o.Ref()}, 10)
	require.NoError(t, err)
	b, err := p.Payload()
	require.NoError(t, err)
	require.Len(t, b, 10)
	ref := o.Ref()
	o.Close()
	o, err = a.Open(ref, testKind, 0)
	require.NoError(t, err, "the parcel keeps it")
	o.Close()
	p.Close()
	_, err = a.Open(ref, testKind, 0)
	require.ErrorIs(t, err, ErrClosed, "nobody keeps it")
	require.Zero(t, a.Stats().Blocks)
}

func TestGenerationsGoRound(t *testing.T) {
	require.Equal(t, uint32(1), nextGeneration(maxGeneration))
	require.True(t, makeIncarnation(255, maxGeneration).Valid())
	require.NotEqual(t, DeadOwner, makeIncarnation(255, maxGeneration))
	require.True(t, laterGeneration(5, 4))
	require.False(t, laterGeneration(4, 5))
	require.True(t, laterGeneration(1, maxGeneration))
	s := makeState(free, 0, maxBlockGen)
	require.Equal(t, uint32(1), s.next(7).gen())
}

func TestATableOfProcessesIsFullAtItsLimit(t *testing.T) {
	a := newArena(t, MinArena)
	var all []Incarnation
	for range MaxProcesses - 1 {
		i, err := a.Reserve()
		require.NoError(t, err)
		all = append(all, i)
	}
	_, err := a.Reserve()
	require.ErrorIs(t, err, ErrProcessTableFull)
	for _, i := range all {
		require.True(t, a.Alive(i))
		a.Bury(i)
		require.False(t, a.Alive(i))
	}
	i, err := a.Reserve()
	require.NoError(t, err)
	require.True(t, a.Alive(i))
}

func TestWordsOfNoProcessAreNoProofOfDeath(t *testing.T) {
	a := newArena(t, MinArena)
	for _, i := range []Incarnation{0xffffffff, 0x80000001, makeIncarnation(9, 5), makeIncarnation(0, 2)} {
		require.True(t, a.Alive(i), i)
	}
	require.False(t, a.Alive(DeadOwner))
	require.False(t, a.Alive(Nobody))
}

func TestMemoryThatTheMachineHasNotIsAnError(t *testing.T) {
	c := testkit.Start(t, "absurd")
	require.Equal(t, "true 0", c.Hear())
	require.NoError(t, c.Wait())
}

func init() {
	Scripts["absurd"] = func(p *testkit.Peer) {
		testkit.DieFirst() // rather than another, if this goes wrong
		a, err := Create(MaxArena)
		if err != nil {
			p.Say(err)
			return
		}
		_, err = a.New(testKind, 0, 900<<30)
		p.Say(errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOSPC), a.Stats().Units)
	}
}

func BenchmarkNewSmall(b *testing.B) {
	a := newArena(b, 1<<30)
	b.ReportAllocs()
	for b.Loop() {
		o, err := a.New(testKind, 0, 4)
		if err != nil {
			b.Fatal(err)
		}
		o.Close()
	}
}

func BenchmarkNewRun(b *testing.B) {
	a := newArena(b, 1<<30)
	b.ReportAllocs()
	for b.Loop() {
		o, err := a.New(testKind, 0, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		o.Close()
	}
}

func BenchmarkOpenClose(b *testing.B) {
	a := newArena(b, 1<<30)
	i, err := a.Reserve()
	require.NoError(b, err)
	o, err := fakeIn(a, i).New(testKind, 0, 4) // held elsewhere
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		o, err := a.Open(o.Ref(), testKind, 0)
		if err != nil {
			b.Fatal(err)
		}
		o.Close()
	}
}

func BenchmarkParcel(b *testing.B) { // made, opened and closed, with a block that it lists
	a := newArena(b, 1<<30)
	o, err := a.New(testKind, 0, 4)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		p, err := a.NewParcel([]Ref{o.Ref()}, 100)
		if err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}

// The same, when there are many blocks that list nothing: the last one to close what
// a parcel has carried asks all that may list it.
func BenchmarkCarriedAmongMany(b *testing.B) {
	a := newArena(b, 1<<30)
	for range 20_000 {
		_, err := a.New(testKind, 0, 4)
		require.NoError(b, err)
	}
	for b.Loop() {
		o, err := a.New(testKind, 0, 4)
		require.NoError(b, err)
		p, err := a.NewParcel([]Ref{o.Ref()}, 100)
		require.NoError(b, err)
		o.Close()
		p.Close()
	}
}

// A burial in an arena with 100,000 blocks, of which a tenth is kept by parcels
// alone.
func BenchmarkSweep(b *testing.B) {
	a := newArena(b, 1<<30)
	for range 80_000 {
		_, err := a.New(testKind, 0, 4)
		require.NoError(b, err)
	}
	for range 10_000 {
		o, err := a.New(testKind, 0, 4)
		require.NoError(b, err)
		_, err = a.NewParcel([]Ref{o.Ref()}, 4)
		require.NoError(b, err)
		o.Close()
	}
	for b.Loop() {
		a.sweep(nil)
	}
}
