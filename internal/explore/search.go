//go:build explore

package explore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A Result is what an exploration has found.
type Result struct {
	Model
	Schedules int // that were run
	States    int // of the last search: those with more than one way to go on
	Steps     int // made in all
	Covered   int // all schedules with so many preemptions were run, or Unbounded
	Complete  bool

	Failure  error  // of the last one, or nil
	Schedule string // of the failure
	Trace    []string
}

func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d schedules, %d states, %d steps; ", r.Schedules, r.States, r.Steps)
	switch {
	case r.Failure != nil:
		fmt.Fprintf(&b, "failed: %v\nschedule: %s\n%s", r.Failure, r.Schedule, strings.Join(r.Trace, "\n"))
		return b.String()
	case r.Covered == Unbounded:
		b.WriteString("all")
	case r.Covered == nothing:
		b.WriteString("some")
	default:
		fmt.Fprintf(&b, "all with ≤ %d preemptions", r.Covered)
		if !r.Complete {
			b.WriteString(", some with more")
		}
	}
	fmt.Fprintf(&b, "; ≤ %d kills", r.Kills)
	if r.Ticks > 0 {
		fmt.Fprintf(&b, ", ≤ %d ticks", r.Ticks)
	}
	return b.String()
}

// A search goes through the schedules of a model: first some at random, to learn
// which words are contended, and because what is easily found is found so; then all
// without a preemption, all with one, and so on, depth first.
type search struct {
	model   Model
	bound   int        // of preemptions
	limited bool       // the bound has kept us from something
	known   [][]word   // of each region
	sums    [][]uint64 // likewise; see region
	began   bool       // all contended words were known at the begin
	path    []choice
	seen    map[uint64]struct{}

	scout  *rand.Rand // not nil: goes at random
	script *schedule  // not nil: is to be followed
	begin  time.Time
	result Result
}

// A choice is one of several ways to go on.
type choice struct{ taken, of int }

const (
	scouts         = 300  // schedules at random
	fewPreemptions = 2    // before any number of them
	mostSteps      = 5000 // of an execution, if the model does not say
	nothing        = -2   // is covered
)

// Explore searches until it finds a failure, or there is nothing more to find.
func Explore(m Model) Result {
	if m.Steps == 0 {
		m.Steps = mostSteps
	}
	s := &search{model: m, begin: time.Now(), result: Result{Model: m, Covered: nothing}}
	s.scout = rand.New(rand.NewPCG(1, 2))
	for range scouts {
		if s.once() {
			return s.result
		}
	}
	s.scout = nil
	for s.bound = 0; ; s.raise() {
		s.began = false
		if done := s.all(); !done {
			return s.result
		}
		s.result.Covered = s.bound
		if !s.limited {
			s.result.Covered = Unbounded
		}
		if s.result.Covered == m.Preemptions || !s.limited {
			s.result.Complete = true
			return s.result
		}
	}
}

// raise goes to the next bound. Few preemptions come one by one, because what takes
// few is found soonest so.
func (s *search) raise() {
	if s.bound++; s.model.Preemptions == Unbounded && s.bound > fewPreemptions {
		s.bound = Unbounded
	}
}

// all runs all schedules within the bound. It reports false if one failed, or time
// was out.
func (s *search) all() bool {
	for {
		if !s.began {
			s.began, s.limited, s.path, s.seen = true, false, nil, make(map[uint64]struct{})
		}
		if s.once() {
			return false
		}
		if !s.began {
			continue
		}
		if s.result.States = len(s.seen); !s.backtrack() {
			return true
		}
		if s.model.For > 0 && s.result.Schedules%64 == 0 && time.Since(s.begin) > s.model.For {
			return false
		}
	}
}

// once runs one schedule, and reports whether it failed.
func (s *search) once() (failed bool) {
	x := s.execute(nil)
	s.result.Schedules++
	s.result.Steps += x.steps
	if x.failure == nil {
		return false
	}
	s.result.Failure, s.result.Schedule = x.failure, x.written.String()
	again, err := Replay(s.model, s.result.Schedule)
	if err != nil || again.Failure == nil || again.Failure.Error() != x.failure.Error() {
		again.Trace = []string{fmt.Sprintf("it is not replayed: %v, %v", again.Failure, err)}
	}
	s.result.Trace = again.Trace
	return true
}

// Replay runs the model once, by a schedule that Explore has found.
func Replay(m Model, text string) (Result, error) {
	script, err := parse(text)
	if err != nil {
		return Result{}, err
	}
	if m.Steps == 0 {
		m.Steps = mostSteps
	}
	s := &search{model: m, bound: Unbounded, script: &script}
	x := s.execute([]string{})
	return Result{Model: m, Schedules: 1, Steps: x.steps, Covered: nothing, Failure: x.failure, Schedule: x.written.String(), Trace: x.trace}, nil
}

// execute runs the model along the path, and beyond its end.
func (s *search) execute(trace []string) *Execution {
	x := &Execution{search: s, private: make(map[uintptr]*thread), trace: trace}
	s.model.Setup(x)
	x.run()
	for _, sum := range x.settled {
		*sum = 0
	}
	return x
}

// backtrack changes the last choice of the path that can be changed.
func (s *search) backtrack() bool {
	for n := len(s.path); n > 0; n-- {
		if last := &s.path[n-1]; last.taken+1 < last.of {
			last.taken++
			s.path = s.path[:n]
			return true
		}
	}
	return false
}

// An option is one way to go on at a moment: a step of a thread, its death, or that
// time passes.
type option struct {
	thread *thread // nil: time passes
	kill   bool
}

// options lists the ways to go on, the one without a switch first.
func (x *Execution) options() []option {
	var list []option
	if x.chosen != nil && x.chosen.enabled() && x.affordable(x.chosen) {
		list = append(list, option{thread: x.chosen})
	}
	for _, t := range x.threads {
		if t != x.chosen && t.enabled() && x.affordable(t) {
			list = append(list, option{thread: t})
		}
	}
	if len(list) == 0 {
		if len(x.timers) > 0 {
			list = append(list, option{})
		}
		return list
	}
	if x.kills < x.search.model.Kills {
		for _, t := range x.threads {
			if t.mortal && !t.done && !t.killed && (t.awoken || t == x.chosen && t.next.kind >= Store) {
				list = append(list, option{thread: t, kill: true})
			}
		}
	}
	if x.ticks < x.search.model.Ticks {
		list = append(list, option{})
	}
	return list
}

// costs reports whether a switch to t is a preemption.
func (x *Execution) costs(t *thread) bool {
	return t.process && x.last != nil && t != x.last && x.last.enabled()
}

func (x *Execution) affordable(t *thread) bool {
	if s := x.search; s.scout == nil && s.bound != Unbounded && x.preemptions >= s.bound && x.costs(t) {
		s.limited = true
		return false
	}
	return true
}

// choose finds who makes the next step.
func (x *Execution) choose() {
	for !x.over {
		if err := x.look(x.always); err != nil {
			x.fail(err)
			return
		}
		if x.steps++; x.steps > x.search.model.Steps {
			x.fail(fmt.Errorf("more than %d steps", x.search.model.Steps))
			return
		}
		options := x.options()
		if len(options) == 0 {
			x.end()
			return
		}
		o, ok := x.pick(options)
		if !ok {
			x.over = true
			return
		}
		if x.take(o) {
			return
		}
	}
}

// take goes on in one way, and reports whether a thread was chosen.
func (x *Execution) take(o option) bool {
	switch {
	case o.thread == nil:
		x.written.add(letterTick)
		x.tell("time passes")
		x.ticks++
		x.pass()
		return false
	case o.kill:
		x.written.add(letterKill)
		x.written.add(o.thread.name)
		x.tell("%c is killed", o.thread.name)
		x.kills++
		x.kill(o.thread)
		return false
	}
	if x.costs(o.thread) {
		x.preemptions++
	}
	if o.thread.process {
		x.last = o.thread
	}
	for _, t := range x.threads {
		t.awoken = false
	}
	if o.thread.next.kind == begins {
		x.log(o.thread.name)
	}
	x.chosen = o.thread
	return true
}

// pick is the choice of the search. It returns false if what follows was explored.
func (x *Execution) pick(options []option) (option, bool) {
	s := x.search
	if s.script != nil {
		return s.script.pick(x, options)
	}
	if s.scout != nil {
		return s.wander(options), true
	}
	if len(options) == 1 {
		return options[0], true
	}
	if x.at == len(s.path) {
		key := x.key()
		if _, seen := s.seen[key]; seen {
			return option{}, false
		}
		s.seen[key] = struct{}{}
	}
	return options[x.decide(len(options))], true
}

// wander is a choice at random: mostly to go on, sometimes to switch, seldom to kill.
func (s *search) wander(options []option) option {
	if s.scout.IntN(4) > 0 {
		return options[0]
	}
	o := options[s.scout.IntN(len(options))]
	if o.kill && s.scout.IntN(8) > 0 {
		return options[0]
	}
	return o
}

// decide is one choice out of n.
func (x *Execution) decide(n int) int {
	s := x.search
	if s.scout != nil {
		return s.scout.IntN(n)
	}
	if x.at == len(s.path) {
		s.path = append(s.path, choice{of: n})
	}
	c := s.path[x.at]
	if x.at++; c.of != n {
		panic(fmt.Sprintf("explore: the model did another thing this time: %d ways to go on, not %d", n, c.of))
	}
	return c.taken
}

// pickSleeper chooses one of n sleepers to be woken.
func (x *Execution) pickSleeper(n int) (i int) {
	if x.search.script != nil {
		i = x.search.script.sleeper(n)
	} else {
		i = x.decide(n)
	}
	x.written.add(letterWake + byte(i))
	return i
}

// log writes one event of a thread to the schedule.
func (x *Execution) log(name byte) {
	if s := x.search.script; s != nil {
		s.advance(name)
	}
	x.written.add(name)
}

func (x *Execution) tell(format string, args ...any) {
	if x.trace != nil {
		x.trace = append(x.trace, fmt.Sprintf(format, args...))
	}
}
