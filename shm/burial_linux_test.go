package shm

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	worlds["killed"] = func(k string) error { return atStep(k, die) }
	worlds["stopped"] = func(k string) error { return atStep(k, stop) }
	roles["undertaker"] = func(a *Arena, arg string) { // buries all those up to one, and undertakers before it
		last, _ := strconv.ParseUint(arg, 10, 32)
		for at := range a.slots {
			s := &a.slots[at]
			st := s.load()
			i := makeIncarnation(at, st.gen())
			if st.phase() < alive || i == a.Parent() {
				continue
			}
			if i <= Incarnation(last) || s.life.Load()&lifeDied != 0 {
				a.Bury(i)
			}
		}
		a.Bury(Incarnation(last)) // those whose undertakers are declared dead by now
		say("buried")
		select {}
	}
}

// atStep has this process do something before its k-th step, from its joining on.
func atStep(k string, do func()) error {
	n, err := strconv.ParseInt(k, 10, 64)
	at(n, do)
	return err
}

// startUndertaker starts a process that buries the dead, of which the last is
// given, and whose own death this process overlooks.
func startUndertaker(t *testing.T, a *Arena, last Incarnation, world string, k int) *peer {
	self, err := a.Reserve()
	require.NoError(t, err)
	blind(a, self)
	return startPart(t, a, part{self, fmt.Sprintf("%s:%d", world, k), "undertaker", fmt.Sprint(uint32(last))})
}

// leaveMess starts a process that nobody here is the parent of, and kills it
// before the k-th step of a deed. It reports false if it took no k steps.
func leaveMess(t *testing.T, a *Arena, name string, k int) (p *peer, after func(), left bool) {
	p, after = begin(t, a, name, k)
	blind(a, p.self)
	orphan(t, a, p.self)
	_, survived := p.proceed()
	if survived {
		p.kill(t)
	}
	return p, after, !survived
}

// hide makes a dead process look like one that has not begun, which no guardian
// looks at; show ends that.
func hide(t *testing.T, a *Arena, i Incarnation) {
	s := &a.slots[i.Slot()]
	require.True(t, s.cas(makeStatus(alive, Nobody, i.Generation()), makeStatus(reserved, a.self, i.Generation())))
}

func show(t *testing.T, a *Arena, i Incarnation) {
	s := &a.slots[i.Slot()]
	require.True(t, s.cas(makeStatus(reserved, a.self, i.Generation()), makeStatus(alive, Nobody, i.Generation())))
}

// Many processes die at every step of what they do. The one that buries them is
// killed on the way, and so is the next, which has its burial to do as well, and
// the one after it: at some time one gets through.
func TestTheNextUndertakerFinishesWhatADeadOneBegan(t *testing.T) {
	a := newArena(t, 16<<20)
	var afters []func()
	var dead []Incarnation
	for _, name := range slices.Sorted(maps.Keys(deeds)) {
		if name == "reserve" {
			continue // its reservations would go with this process's
		}
		for k := 1; ; k++ {
			p, after, left := leaveMess(t, a, name, k)
			afters = append(afters, after)
			dead = append(dead, p.self)
			hide(t, a, p.self) // from the next one's guardian
			if !left {
				break
			}
			if k > 6 {
				k++ // there are not slots enough for all
			}
		}
	}
	for _, i := range dead {
		show(t, a, i)
	}
	var undertakers []Incarnation
	for n := 1; ; n++ {
		u := startUndertaker(t, a, slices.Max(dead), "killed", 10+5*n)
		undertakers = append(undertakers, u.self)
		if _, ok := u.next(); ok {
			u.kill(t)
			break
		}
		u.await()
	}
	t.Logf("%d dead, buried by %d undertakers", len(dead), len(undertakers))
	for _, i := range dead {
		require.False(t, a.Alive(i))
		require.True(t, vacated(a, i))
	}
	for _, i := range undertakers {
		a.Bury(i)
	}
	for _, i := range dead {
		a.DropUndelivered(i)
	}
	for _, after := range afters {
		after()
	}
	requireClean(t, a, 0)
}

// An undertaker is stopped at a step of the burial. The others need not wait: the
// death is declared and announced by them. The memory may come back only when it
// goes on; and by then it must not take anything from whoever has the dead's slot.
func TestAStoppedUndertakerHoldsUpOnlyMemory(t *testing.T) {
	steps := 0
	for k, stopped := 1, true; stopped; k++ {
		a := newArena(t, 4<<20)
		p, after, left := leaveMess(t, a, "parcel", 14)
		require.True(t, left)
		u := startUndertaker(t, a, p.self, "stopped", k)
		lines := make(chan string, 1)
		go func() {
			line, _ := u.next()
			lines <- line
		}()
		stopped = u.awaitStop(lines)

		see(a, p.self)
		a.Bury(p.self)
		require.False(t, a.Alive(p.self))
		require.Equal(t, p.self.Generation(), a.slots[p.self.Slot()].announced.Load())
		after()
		next := succeed(t, a, p.self)

		require.NoError(t, u.Signal(syscall.SIGCONT))
		require.Equal(t, "buried", <-lines)
		require.True(t, vacated(a, p.self))
		if next != nil {
			require.True(t, a.Alive(next.self))
			require.Equal(t, 1, a.Stats().Blocks, "the next one holds it still")
			next.kill(t)
			a.Bury(next.self)
		}
		u.kill(t)
		a.Bury(u.self)
		requireClean(t, a, 0, "stopped before step %d", k)
		steps = k
	}
	t.Logf("%d steps", steps)
}

// succeed starts a process in the slot of one that is buried, and leaves a block
// to it; nil if the slot is not vacant.
func succeed(t *testing.T, a *Arena, i Incarnation) *peer {
	if !vacated(a, i) {
		return nil
	}
	o, err := a.New(testKind, 0, 8)
	require.NoError(t, err)
	a.nextSlot.Store(int64(i.Slot()) - 1)
	q := start(t, a, "open", hexRef(o.Ref()))
	require.Equal(t, i.Slot(), q.self.Slot())
	require.Equal(t, "opened", q.line(t))
	o.Close()
	return q
}

// awaitStop reports whether the process is stopped; it is not if it says
// something first, which is then said again.
func (p *peer) awaitStop(lines chan string) bool {
	for {
		select {
		case line := <-lines:
			lines <- line
			return false
		default:
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			return false
		}
		if fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); fields[0] == "T" {
			return true
		}
	}
}

// A second death is announced while this process is still busy with the first.
func TestADeathIsAnnouncedDuringABurial(t *testing.T) {
	a := newArena(t, 4<<20)
	p := start(t, a, "block", "-")
	require.Equal(t, "ready", p.line(t))
	a.burial.Lock() // a burial that takes its time
	defer a.burial.Unlock()
	seen := a.Epoch().Load()
	p.kill(t)
	awaitEpoch(t, a, func() bool { return a.Epoch().Load() != seen })
	require.False(t, a.Alive(p.self))
}
