package shm

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests of one process with many goroutines, which the exploration has not.

// One goroutine tries stale Refs while others make, send and close blocks in the
// same place: what they hold, and what was addressed to them, stays theirs.
func TestAStaleRefTakesNothingAway(t *testing.T) {
	a := newArena(t, 4<<20)
	o, err := a.New(testKind, 0, 8)
	require.NoError(t, err)
	var ref atomic.Pointer[Ref]
	publish := func(r Ref) { ref.Store(&r) }
	publish(o.Ref())
	o.Close()

	var end atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !end.Load() {
				r := *ref.Load()
				if o, err := a.Open(r, testKind, 0); err == nil {
					o.Close()
				}
				r.Gen--
				if _, err := a.Open(r, testKind, 0); err == nil {
					t.Error("a stale Ref was opened")
				}
			}
		})
	}
	for range 20_000 {
		a.cursors[0].Store(0)
		o, err := a.New(testKind, 0, 8)
		require.NoError(t, err)
		publish(o.Ref())
		require.True(t, o.place.head.held())
		p, err := a.NewParcel([]Ref{o.Ref()}, 0)
		require.NoError(t, err)
		p.Address(a.self)
		o.Close()
		p.Close()
		p, err = a.Open(p.Ref(), KindParcel, 0)
		require.NoError(t, err, "it was addressed to us")
		o, err = a.Open(p.Kept()[0], testKind, 0)
		require.NoError(t, err, "the parcel keeps it")
		p.Close()
		require.True(t, o.place.head.held())
		o.Close()
	}
	end.Store(true)
	wg.Wait()
	requireClean(t, a, 0)
}

// Two goroutines of a process ask about one block, which another process revives
// meanwhile. The first must not take the second's question for its own.
//
//	A1          A2          B
//	asks
//	needed? no
//	                        opens and revives it
//	                        lets go
//	            needed? no
//	                        opens it
//	            asks
//	dooms it
func TestAQuestionIsNotAnsweredByTheOneBeforeIt(t *testing.T) {
	defer onStep.Store(nil)
	a := newArena(t, 4<<20)
	i, err := a.Reserve()
	require.NoError(t, err)
	b := fakeIn(a, i)
	o, err := a.New(testKind, 0, 8)
	require.NoError(t, err)

	a1, a2 := newWalker(), newWalker()
	a1.walk(func() { o.Close() })
	a1.step() // its bit
	a1.step() // the question
	require.Equal(t, freeing, o.place.head.load().phase())
	_, err = b.Open(o.Ref(), testKind, 0)
	require.NoError(t, err)
	o.place.head.unhold(b.self) // the first half of its Close
	delete(b.objects, o.ref.Off)

	a2.walk(func() { a.collect(o.place, o.ref.Gen) }) // as a sweep in this process does
	again, err := b.Open(o.Ref(), testKind, 0)
	require.NoError(t, err)
	a2.step() // the question
	a1.run()
	<-a1.over
	a2.run()
	<-a2.over
	require.Equal(t, live, o.place.head.load().phase())
	again.Close()
	a.Bury(i)
	requireClean(t, a, 0)
}

// A walker is a goroutine that takes its steps one by one, as the test says.
type walker struct {
	here, goOn, over chan bool
	stuck            bool // it may wait for a lock that another has
}

func newWalker() *walker {
	return &walker{here: make(chan bool, 100), goOn: make(chan bool), over: make(chan bool)}
}

// hold makes whoever comes to a step wait there.
func (w *walker) hold(store bool) {
	if store {
		w.here <- true
		<-w.goOn
	}
}

// walk starts it, up to its first step.
func (w *walker) walk(do func()) {
	w.until(func() {
		go func() {
			do()
			close(w.over)
		}()
	})
}

// step has it take the step that it is before.
func (w *walker) step() {
	if !w.stuck {
		w.until(func() { w.goOn <- true })
	}
}

// until has somebody go on up to the next step, or to where it waits for a lock:
// that cannot be told from being slow, so it gets much time for that.
func (w *walker) until(begin func()) {
	hook := w.hold
	onStep.Store(&hook)
	defer onStep.Store(nil)
	begin()
	for range 100_000 {
		select {
		case <-w.here:
			return
		default:
			runtime.Gosched()
		}
	}
	w.stuck = true
}

// run has it go on to its end.
func (w *walker) run() { close(w.goOn) }

// fakeIn makes a process out of a reservation, without a guardian.
func fakeIn(a *Arena, i Incarnation) *Arena {
	b := view(a.seg)
	b.id, b.self = a.id, i
	b.slots[i.Slot()].status.Store(uint64(makeStatus(alive, a.self, i.Generation())))
	return b
}

// A dead process's bit may lie on a unit that has become the tail of a run, or a
// span, by the time of the burial.
func TestALateBitOfTheDeadIsFoundOnAnyUnit(t *testing.T) {
	a := newArena(t, 4<<20)
	i, err := a.Reserve()
	require.NoError(t, err)
	b := fakeIn(a, i)
	run, err := a.New(testKind, 0, big)
	require.NoError(t, err)
	small, err := a.New(testKind, 0, 8)
	require.NoError(t, err)
	for _, u := range []int{run.place.unit + 1, small.place.unit} {
		a.units[u].hold(b.self)
	}
	a.Bury(i)
	run.Close()
	small.Close()
	requireClean(t, a, 0)
}

// A parcel that is addressed to a dead process does not fall to the next one in its
// slot.
func TestAParcelToTheDeadIsNobodys(t *testing.T) {
	a := newArena(t, 4<<20)
	i, err := a.Reserve()
	require.NoError(t, err)
	a.Bury(i)
	p, err := a.NewParcel(nil, 8)
	require.NoError(t, err)
	require.False(t, p.Address(i))
	a.nextSlot.Store(int64(i.Slot()) - 1)
	next, err := a.Reserve()
	require.NoError(t, err)
	require.Equal(t, i.Slot(), next.Slot())
	p.Close()
	require.Zero(t, a.Stats().Blocks)
}

// Where the system has no memory for the arena's tables, a block is an error, and
// not one that nobody has claimed.
func TestALackOfMemoryForTheTablesIsAnError(t *testing.T) {
	defer onStep.Store(nil)
	for _, n := range []int{8, big} {
		a := newArena(t, 4<<20)
		file := a.seg.file
		closed, err := os.Open(os.DevNull)
		require.NoError(t, err)
		require.NoError(t, closed.Close())
		steps := 0
		onMySteps(func(store bool) { // the first reservation, which is for headers, fails
			if store {
				steps++
				a.seg.file = []*os.File{closed, file}[min(steps-1, 1)]
			}
		})
		_, err = a.New(testKind, 0, n)
		require.ErrorIs(t, err, os.ErrClosed)
		onStep.Store(nil)
		a.seg.file = file
		requireClean(t, a, 0)
	}
}

// A goroutine opens a block that is freed before it comes to hold it, and another
// of the same process is given the place meanwhile: the first, which finds that it
// was late, must leave the other's hold alone.
func TestALateOpenTakesNothingAway(t *testing.T) {
	defer onStep.Store(nil)
	a := newArena(t, 4<<20)
	i, err := a.Reserve()
	require.NoError(t, err)
	b := fakeIn(a, i)
	old, err := b.New(testKind, 0, 8)
	require.NoError(t, err)

	late := newWalker()
	var lateErr error
	late.walk(func() { _, lateErr = a.Open(old.Ref(), testKind, 0) }) // before its bit
	old.Close()
	var o *Object
	made := make(chan error)
	go func() {
		var err error
		o, err = a.New(testKind, 0, 8)
		made <- err
	}()
	for range 1000 {
		runtime.Gosched() // it may wait for the first one, or not
	}
	late.run()
	<-late.over
	require.ErrorIs(t, lateErr, ErrClosed)
	require.NoError(t, <-made)
	require.Equal(t, old.Ref().Off, o.Ref().Off, "the same place")
	require.True(t, o.place.head.held())
	o.Close()
	a.Bury(i)
	requireClean(t, a, 0)
}

// A wrong guess at what a parcel is does not lose it.
func TestOpeningAParcelAsSomethingElseDoesNotConsumeIt(t *testing.T) {
	a := newArena(t, 4<<20)
	p, err := a.NewParcel(nil, 8)
	require.NoError(t, err)
	require.True(t, p.Address(a.self))
	p.Close()
	_, err = a.Open(p.Ref(), testKind, 0)
	require.ErrorIs(t, err, ErrForeign)
	p, err = a.Open(p.Ref(), KindParcel, 0)
	require.NoError(t, err)
	p.Close()
	requireClean(t, a, 0)
}

// What a dead process sent and told of stays; what it did not tell of goes. What
// others sent stays.
func TestOnlyTheUndeliveredOfTheDeadIsDropped(t *testing.T) {
	a := newArena(t, 4<<20)
	var from [2]*Arena
	var sent [2]Ref
	for n := range from {
		i, err := a.Reserve()
		require.NoError(t, err)
		from[n] = fakeIn(a, i)
		p, err := from[n].NewParcel(nil, 8)
		require.NoError(t, err)
		require.True(t, p.Address(a.self))
		p.Close()
		sent[n] = p.Ref()
	}
	told, err := from[0].NewParcel(nil, 8)
	require.NoError(t, err)
	require.True(t, told.Address(a.self))
	got, err := a.Open(told.Ref(), KindParcel, 0)
	require.NoError(t, err)
	a.Bury(from[0].self)
	a.DropUndelivered(from[0].self)
	_, err = a.Open(sent[0], KindParcel, 0)
	require.ErrorIs(t, err, ErrClosed)
	got.Close()
	p, err := a.Open(sent[1], KindParcel, 0)
	require.NoError(t, err)
	p.Close()
	a.Bury(from[1].self)
	requireClean(t, a, 0)
}
