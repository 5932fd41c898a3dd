package mp

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// A model is a ledger whose workers are no processes and do nothing by themselves: a
// test takes the steps of all, one after the other, and so goes through every order in
// which they can come, with a kill in any place. Ledger, streams, claims and what a
// worker does with a task are the real ones.
type model struct {
	arena   *shm.Arena
	l       *poolLedger
	workers []*modelWorker
	links   [][]byte // memory for links, used again by the next model
	hired   int
	job     job

	kind   modelKind
	tasks  int
	begun  [modelElements]int // how often the function was called with it
	came   [modelElements]int // how often its answer, or its error, did
	failed int
	killed int
}

// A modelKind is how answers travel: each by itself, or together, results only or with
// their lengths.
type modelKind int

const (
	oneByOne modelKind = iota
	bareTogether
	textsTogether
	modelKinds
)

const (
	modelTasks    = 2
	modelTaskSize = 2
	modelElements = modelTasks * modelTaskSize
)

type modelWorker struct {
	*worker
	server *server
}

// modelStaff is nobody.
type modelStaff struct{}

func (modelStaff) cancel(uint32)         {}
func (modelStaff) cancelAll()            {}
func (modelStaff) kill()                 {}
func (modelStaff) gone() <-chan struct{} { return nil }
func (modelStaff) death() error          { return &WorkerDiedError{} }
func (modelStaff) ending() error         { return &WorkerDiedError{} }

// modelled is the one whose function is called.
var modelled *model

var modelCalls = Register("test.modelCalls", func(_ context.Context, i int) (int, error) {
	modelled.begun[i]++
	return i, nil
})

var modelTexts = Register("test.modelTexts", func(_ context.Context, s string) (string, error) {
	modelled.begun[s[0]-'0']++
	return s, nil
})

func newModel(links *[][]byte, kind modelKind) *model {
	a, err := arena()
	if err != nil {
		panic(err)
	}
	m := &model{arena: a, l: newLedger(a), links: *links, kind: kind}
	m.locked(func() {
		m.l.watchdog.Stop() // it would take steps of its own
		m.l.armed = true
	})
	m.job.sink = m
	modelled = m
	for range 2 {
		m.hire()
	}
	*links = m.links
	return m
}

// take counts what came.
func (m *model) take(index int, a arrival) {
	for i := range a.elements() {
		m.came[index+i]++
	}
	if a.err != nil {
		m.failed++
	}
}

func (m *model) hire() {
	if m.hired == len(m.links) {
		_, all := linkSize()
		m.links = append(m.links, make([]byte, all))
	}
	memory, err := initLink(m.links[m.hired])
	m.hired++
	w := new(modelWorker)
	if err == nil {
		w.server, err = newServer(context.Background(), m.arena, m.arena.Self(), memory)
	}
	if err == nil {
		w.worker, err = newWorker(m.l, m.arena, memory, modelStaff{})
	}
	if err == nil {
		err = w.server.begin()
	}
	if err != nil {
		panic(err)
	}
	m.workers = append(m.workers, w)
	m.l.mu.Lock()
	m.l.join(w.worker)
	m.l.collect()
	m.l.mu.Unlock()
}

// A modelStep is taken if it can be; else it reports false.
type modelStep struct {
	name string
	take func(m *model) bool
}

func modelSteps() []modelStep {
	steps := []modelStep{
		{"submit", (*model).submit},
		{"collect", func(m *model) bool { return m.collect() > 0 }},
		{"give up", func(m *model) bool {
			if m.job.over {
				return false
			}
			m.locked(func() { m.l.giveUp(&m.job) })
			return true
		}},
	}
	for i := range 2 {
		steps = append(steps,
			modelStep{fmt.Sprint(i, " works"), func(m *model) bool { return m.work(m.workers[i]) }},
			modelStep{fmt.Sprint(i, " dies at one"), func(m *model) bool { return m.dieAtOne(m.workers[i]) }},
			modelStep{fmt.Sprint(i, " dies"), func(m *model) bool { return m.die(m.workers[i]) }},
			modelStep{fmt.Sprint(i, " gives back"), func(m *model) bool { return m.giveBack(m.workers[i]) }})
	}
	return steps
}

func (m *model) locked(f func()) {
	m.l.mu.Lock()
	defer m.l.mu.Unlock()
	f()
}

func (m *model) submit() bool {
	if m.tasks == modelTasks || m.job.over {
		return false
	}
	first := m.tasks * modelTaskSize
	m.tasks++
	t := &task{job: &m.job, first: first, together: m.kind != oneByOne}
	if m.kind == textsTogether {
		loadModel(t, modelTexts, func(i int) string { return fmt.Sprint(i) })
	} else {
		loadModel(t, modelCalls, func(i int) int { return i })
	}
	m.locked(func() { _ = m.l.submit(t) })
	return true
}

// loadModel puts the elements of a task into it.
func loadModel[T any](t *task, f *Func[T, T], argument func(int) T) {
	load := loader[T, T]{f: f}
	for i := range modelTaskSize {
		if err := load.add(argument(t.first + i)); err != nil {
			panic(err)
		}
	}
	if err := load.load(t); err != nil {
		panic(err)
	}
}

func (m *model) collect() (n int) {
	m.locked(func() { n = m.l.collect() })
	return n
}

// work is one step of a worker: it takes a task, or does an element of it.
func (m *model) work(w *modelWorker) bool {
	var err error
	switch {
	case w.server.work.count > 0:
		err = w.server.proceed(1)
	case w.server.requests.Ready():
		err = w.server.next()
	default:
		return false
	}
	if err != nil {
		panic(err)
	}
	return true
}

// dieAtOne kills a worker that has just begun an element.
func (m *model) dieAtOne(w *modelWorker) bool {
	s := w.server
	if s.work.count == 0 {
		return false
	}
	arg, claimed, err := s.claim()
	if err != nil {
		panic(err)
	}
	if !claimed {
		return false
	}
	if i := arg[0]; m.kind == textsTogether {
		m.begun[i-'0']++
	} else {
		m.begun[i]++
	}
	return m.die(w)
}

// die kills a worker between two steps, and hires another.
func (m *model) die(w *modelWorker) bool {
	m.killed++
	m.l.bury(w.worker, modelStaff{}.death())
	for i, v := range m.workers {
		if v == w {
			m.workers = append(m.workers[:i], m.workers[i+1:]...)
			break
		}
	}
	m.hire()
	return true
}

// giveBack lets a worker keep one element that it has not begun, or none if there is
// only one.
func (m *model) giveBack(w *modelWorker) bool {
	n := w.unbegun()
	if n == 0 {
		return false
	}
	m.locked(func() {
		m.l.takeBack(w.worker, n/2)
		m.l.dispatch()
	})
	return true
}

// check checks the ledger's first three invariants.
func (m *model) check() error {
	left := 0
	for _, t := range m.l.backlog.all() {
		left += t.count
	}
	for _, w := range m.workers {
		load, next := 0, uint32(0)
		for i, t := range w.fifo.all() {
			if i > 0 && t.at() != next {
				return fmt.Errorf("a task numbered %d after %d", t.at(), next)
			}
			load += t.count - t.done
			next = t.number + uint32(t.count)
		}
		if load != w.load {
			return fmt.Errorf("a load of %d, and %d elements", w.load, load)
		}
		if w.broken != nil {
			return w.broken
		}
		left += load
	}
	if left != m.l.inflight {
		return fmt.Errorf("%d in flight, %d to be found", m.l.inflight, left)
	}
	return nil
}

// finish lets all work until nothing is left to do, and checks what came.
func (m *model) finish() error {
	for again := true; again; {
		again = false
		for _, w := range m.workers {
			again = m.work(w) || again
		}
		again = m.collect() > 0 || again
		if err := m.check(); err != nil {
			return err
		}
	}
	if m.l.inflight != 0 {
		return fmt.Errorf("%d elements are lost", m.l.inflight)
	}
	if m.failed > m.killed {
		return fmt.Errorf("%d deaths cost %d elements", m.killed, m.failed)
	}
	for i := range m.tasks * modelTaskSize {
		switch {
		case m.begun[i] > 1:
			return fmt.Errorf("element %d was begun %d times", i, m.begun[i])
		case m.came[i] > 1, m.came[i] == 0 && !m.job.over:
			return fmt.Errorf("%d answers to element %d", m.came[i], i)
		case m.came[i] == 1 && m.begun[i] == 0:
			return fmt.Errorf("an answer to element %d, which nobody has begun", i)
		}
	}
	return nil
}

// All orders of so many steps of a ledger with two workers and two tasks. MP_TEST_LARGE
// makes them longer.
func TestTheLedgerInEveryOrder(t *testing.T) {
	depth := 5
	switch {
	case os.Getenv("MP_TEST_LARGE") != "":
		depth = 7
	case brief():
		depth = 4
	}
	steps := modelSteps()
	var links [][]byte
	begin, orders := time.Now(), 0
	for kind := range modelKinds {
		// An order that cannot go on at some step is cut there, with all that begin so.
		path := make([]int, depth)
		for more := true; more; {
			orders++
			at, err := playModel(newModel(&links, kind), steps, path)
			require.NoError(t, err, "kind %d: %v", kind, names(steps, path[:at]))
			for i := at + 1; i < depth; i++ {
				path[i] = len(steps) - 1 // the last one: the next differs at at
			}
			more = advance(path, len(steps))
		}
	}
	t.Logf("%d orders of %d steps in %v", orders, depth, time.Since(begin))
}

// A worker that was late gets nothing for a while. If there is no other one, that while
// must end without anybody's doing.
func TestASuspectIsAskedAgain(t *testing.T) {
	var links [][]byte
	m := newModel(&links, oneByOne)
	m.submit()
	busy, suspect := m.workers[0], m.workers[1]
	if busy.load == 0 {
		busy, suspect = suspect, busy
	}
	m.locked(func() {
		m.l.armed = false
		suspect.suspect = now() + suspected
		m.l.balance(now(), 0)
		require.True(t, m.l.armed, "somebody will look again")
		require.Zero(t, suspect.load)
		m.l.watchdog.Stop()
		suspect.suspect = now()
		m.l.balance(now()+2*overdue, 0)
		require.Positive(t, suspect.load, "it got some of what the other has not begun")
	})
	require.NoError(t, m.finish())
}

// playModel takes the steps of a path, and lets the model finish. It returns the index
// of the last step that it came to.
func playModel(m *model, steps []modelStep, path []int) (at int, err error) {
	for i, step := range path {
		if !steps[step].take(m) {
			return i, nil
		}
		if err := m.check(); err != nil {
			return i, err
		}
	}
	return len(path) - 1, m.finish()
}

// advance makes path the next one, and reports false after the last.
func advance(path []int, steps int) bool {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i]++; path[i] < steps {
			return true
		}
		path[i] = 0
	}
	return false
}

func names(steps []modelStep, path []int) (all []string) {
	for _, i := range path {
		all = append(all, steps[i].name)
	}
	return all
}
