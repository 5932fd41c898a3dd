package shm

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
)

// A deed is something that a process does with the arena. Children are killed
// before each of its steps, one child for each; whatever they leave behind must
// come back.
type deed struct {
	// prepare comes before the first step that counts. It and the deed get what
	// the test says in an argument, a Ref mostly.
	prepare func(a *Arena, r Ref) (do func())

	// given makes what the deed needs in the test's process, and is told who will
	// do it; after it gives the rest back when the child was killed.
	given func(t testing.TB, a *Arena, by Incarnation) (r Ref, after func())
}

const big = 3*unitSize + 1

var deeds = map[string]deed{
	"new": {prepare: func(a *Arena, _ Ref) func() {
		must(a.New(testKind, 0, 8)).Close() // there is a span with room
		return func() { must(a.New(testKind, 0, 8)) }
	}},
	"new in a new span": {prepare: func(a *Arena, _ Ref) func() {
		return func() { must(a.New(testKind, 0, 8)) }
	}},
	"new run": {prepare: func(a *Arena, _ Ref) func() {
		return func() { must(a.New(testKind, 0, big)) }
	}},
	"close": {prepare: func(a *Arena, _ Ref) func() { return must(a.New(testKind, 0, 8)).Close }},
	"close run": {prepare: func(a *Arena, _ Ref) func() {
		return must(a.New(testKind, 0, big)).Close
	}},
	"open and close": {
		prepare: func(a *Arena, r Ref) func() {
			return func() { must(a.Open(r, testKind, 0)).Close() }
		},
		given: given,
	},
	"close the last": { // of what another made
		prepare: func(a *Arena, r Ref) func() { return must(a.Open(r, testKind, 0)).Close },
		given:   given,
	},
	"parcel": {
		prepare: func(a *Arena, r Ref) func() {
			o, size := must(a.Open(r, testKind, 0)), big
			return func() {
				small := must(a.NewParcel([]Ref{r}, 8))
				run := must(a.NewParcel([]Ref{r, small.Ref()}, size))
				o.Close()
				small.Close()
				run.Close()
			}
		},
		given: given,
	},
	"send": {
		prepare: func(a *Arena, r Ref) func() {
			o := must(a.Open(r, testKind, 0))
			return func() {
				p := must(a.NewParcel([]Ref{r}, 8))
				o.Close()
				p.Address(a.Parent())
				p.Close()
			}
		},
		given: given,
	},
	"receive": {
		prepare: func(a *Arena, r Ref) func() {
			return func() {
				p := must(a.Open(r, KindParcel, 0))
				o := must(a.Open(p.Kept()[0], testKind, 0))
				p.Close()
				o.Close()
			}
		},
		given: func(t testing.TB, a *Arena, by Incarnation) (Ref, func()) {
			o, err := a.New(testKind, 0, 8)
			require.NoError(t, err)
			p, err := a.NewParcel([]Ref{o.Ref()}, 8)
			require.NoError(t, err)
			p.Address(by)
			o.Close()
			p.Close()
			return p.Ref(), func() {}
		},
	},
	"tie": {
		prepare: func(a *Arena, r Ref) func() {
			both := must(a.Open(r, testKind, 0))
			return func() {
				o := must(a.New(testKind, 0, 8))
				both.Tie(o.Ref())
				o.Close()
			}
		},
		given: given,
	},
	"open tied": {
		prepare: func(a *Arena, r Ref) func() {
			both := must(a.Open(r, testKind, 0))
			tied := a.children(r)[0]
			return func() { must(both.OpenTied(tied)).Close() }
		},
		given: func(t testing.TB, a *Arena, _ Incarnation) (Ref, func()) {
			both, err := a.New(testKind, 0, 8)
			require.NoError(t, err)
			o, err := a.New(testKind, 0, 8)
			require.NoError(t, err)
			require.True(t, both.Tie(o.Ref()))
			o.Close()
			return both.Ref(), both.Close
		},
	},
	"put": {prepare: preparePut, given: givenQueue},
	"take": {
		prepare: func(a *Arena, r Ref) func() {
			preparePut(a, r)()
			q := must(a.Open(r, testQueue, 0))
			return func() { takeAll(a, q) }
		},
		given: givenQueue,
	},
	"free a queue with messages": {prepare: func(a *Arena, _ Ref) func() {
		q := must(a.New(testQueue, 0, 64))
		preparePut(a, q.Ref())()
		return func() {
			q.Close()
			q.Close() // preparePut opened it
		}
	}},
	"reserve": {prepare: func(a *Arena, _ Ref) func() {
		return func() { _, _ = a.Reserve() }
	}},
	"bury a reservation": {prepare: func(a *Arena, _ Ref) func() {
		i, _ := a.Reserve()
		o := must(a.New(testKind, 0, 8))
		o.Address(i)
		o.Close()
		return func() { a.Bury(i) }
	}},
}

// given is a block that the test holds.
func given(t testing.TB, a *Arena, _ Incarnation) (Ref, func()) {
	o, err := a.New(testKind, 0, 8)
	require.NoError(t, err)
	return o.Ref(), o.Close
}

// givenQueue is a queue that the test holds, and takes the rest from afterwards.
func givenQueue(t testing.TB, a *Arena, _ Incarnation) (Ref, func()) {
	q, err := a.New(testQueue, 0, 64)
	require.NoError(t, err)
	return q.Ref(), func() {
		takeAll(a, q)
		q.Close()
	}
}

// preparePut puts a parcel with a block of its own into cell 0 of the queue. The
// cell's second word is the place of the parcel, its third the generation.
func preparePut(a *Arena, r Ref) func() {
	q := must(a.Open(r, testQueue, 0))
	word := func(i int) *shared.Uint64 { return At[shared.Uint64](q.Bytes(), i*8) }
	return func() {
		o := must(a.New(testKind, 0, 8))
		p := must(a.NewParcel([]Ref{o.Ref()}, 8))
		o.Close()
		step()
		word(0).Store(cellState(0, cellWriting, a.Self()))
		p.Enclose(q, 0)
		word(1).Store(p.Ref().Off)
		word(2).Store(uint64(p.Ref().Gen))
		step()
		word(0).Store(cellState(0, cellReady, Nobody))
		p.Close()
	}
}

// takeAll takes what is in cell 0, or was being taken.
func takeAll(a *Arena, q *Object) {
	word := func(i int) *shared.Uint64 { return At[shared.Uint64](q.Bytes(), i*8) }
	if phase := word(0).Load() >> 32 & 0xff; phase != cellReady && phase != cellReading {
		return
	}
	step()
	word(0).Store(cellState(0, cellReading, a.Self()))
	p := must(a.Open(Ref{Arena: a.ID(), Gen: uint32(word(2).Load()), Off: word(1).Load()}, KindParcel, 0))
	must(a.Open(p.Kept()[0], testKind, 0)).Close()
	step()
	word(0).Store(cellState(1, cellFree, Nobody))
	p.Close()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// onMySteps calls f at each step of the calling goroutine, until onStep is set again.
// Guardians of arenas that earlier tests made take steps, too, whenever they like.
func onMySteps(f func(store bool)) {
	mine := goroutine()
	hook := func(store bool) {
		if goroutine() == mine {
			f(store)
		}
	}
	onStep.Store(&hook)
}

// goroutine is the heading of the caller's stack trace: "goroutine 7".
func goroutine() string {
	trace := make([]byte, 64)
	heading, _, _ := bytes.Cut(trace[:runtime.Stack(trace, false)], []byte("["))
	return string(heading)
}

// at calls f before the k-th step from now.
func at(k int64, f func()) (taken func() int64) {
	var n shared.Int64
	hook := func(store bool) {
		if store && n.Add(1) == k {
			f()
		}
	}
	onStep.Store(&hook)
	return n.Load
}

// die and stop are what a process does to itself before a step.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// stop returns when somebody else has continued this process.
func stop() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	<-continued
}

func init() {
	roles["do"] = func(a *Arena, arg string) { // a deed, killed at a step
		var name, ref string
		var k int64
		_, _ = fmt.Sscanf(strings.ReplaceAll(arg, "/", " "), "%s %d %s", &name, &k, &ref)
		do := deeds[strings.ReplaceAll(name, "_", " ")].prepare(a, parseRef(ref))
		say("ready")
		hear()
		taken := at(k, die)
		do()
		onStep.Store(nil)
		say("done", taken())
		select {}
	}
}

// begin starts a process that will do a deed, and be killed before its k-th step.
func begin(t testing.TB, a *Arena, name string, k int) (p *peer, after func()) {
	self, err := a.Reserve()
	require.NoError(t, err)
	after = func() {}
	r := Ref{}
	if deeds[name].given != nil {
		r, after = deeds[name].given(t, a, self)
	}
	arg := fmt.Sprintf("%s/%d/%s", strings.ReplaceAll(name, " ", "_"), k, hexRef(r))
	p = startPart(t, a, part{self, "usual", "do", arg})
	require.Equal(t, "ready", p.line(t))
	if strings.Contains(name, "the last") {
		after() // from now on only the child holds it
		after = func() {}
	}
	return p, after
}

// proceed lets a child begin with its deed, and reports how many steps it took if
// it was not killed.
func (p *peer) proceed() (steps int, survived bool) {
	p.tell("go")
	line, ok := p.next()
	if !ok {
		p.await()
		return 0, false
	}
	_, err := fmt.Sscanf(line, "done %d", &steps)
	return steps, err == nil
}

func TestAKillBeforeAnyStepLeavesNothingBehind(t *testing.T) {
	for name := range deeds {
		t.Run(name, func(t *testing.T) {
			a := newArena(t, 4<<20)
			for k := 1; ; k++ {
				p, after := begin(t, a, name, k)
				steps, survived := p.proceed()
				if survived {
					p.kill(t)
				}
				a.Bury(p.self)
				a.DropUndelivered(p.self)
				after()
				requireClean(t, a, 0, "killed before step %d", k)
				if survived {
					require.Equal(t, k, steps+1)
					require.NotZero(t, steps)
					break
				}
				require.Less(t, k, 1000)
			}
		})
	}
}
