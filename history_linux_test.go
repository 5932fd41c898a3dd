package mp

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What four processes see of an object, of which some are killed in the middle, is
// what an object in one place would show: their histories are linearizable. Each
// process writes down what it does, and when by one clock, where it outlives the
// process. What a killed process was at has happened or not, and then the process
// dies: that is an event of the history, too.

var histories = flag.Int("histories", 1, "how many histories of each object are checked")

// A moment is one operation of a process. Call is stored before it begins, Return
// after it has ended; 0 for one that never did.
type moment struct {
	Op, Arg, Out, Err int64
	Call, Return      int64
}

// What an operation may end with, beside nil.
var momentErrors = []error{nil, ErrOwnerDied, ErrHealthy, ErrClosed, ErrEmpty, ErrFull}

// momentError is the index of an error, -1 for one that must not be.
func momentError(err error) int64 {
	return int64(slices.IndexFunc(momentErrors, func(e error) bool { return errors.Is(err, e) }))
}

// A part is what a process plays in a history.
type part struct {
	What    string // which of plays
	Clock   *Value[int64]
	Moments *Array[moment]
	First   int // of its moments
	Client  int
	Puts    bool // of a queue; the others get
	Dies    int  // the operation in which it is killed, or -1

	Ready *Value[int64] // counts who waits for its turn
	Turn  *Semaphore    // this one's

	Mutex   *Mutex
	RW      *RWMutex
	Sem     *Semaphore
	Bounded *BoundedSemaphore
	Value   *Value[int64]
	Large   *Value[[3]int64]
	Event   *Event
	Once    *Once
	Queue   *Queue[int64]
}

const (
	historySides = 4   // processes at a time
	historyLives = 3   // one after the other; but the last they are killed
	historySteps = 12  // operations of one, or some times as many
	historyRoom  = 400 // moments of one
)

// A player of a part writes its moments.
type scribe struct {
	part
	ctx  context.Context
	next atomic.Int64 // of its moments
	rng  *rand.Rand
}

// note does an operation and writes it down.
func (s *scribe) note(op, arg int64, do func() (int64, error)) (int64, error) {
	if s.rng.IntN(2) == 0 {
		runtime.Gosched() // let others come in between
	}
	m := &s.Moments.Slice()[s.First+int(s.next.Add(1))-1]
	m.Op, m.Arg = op, arg
	call, _ := Add(s.Clock, 1)
	atomic.StoreInt64(&m.Call, call)
	out, err := do()
	m.Out, m.Err = out, momentError(err)
	end, _ := Add(s.Clock, 1)
	atomic.StoreInt64(&m.Return, end)
	if m.Err < 0 {
		panic(err)
	}
	return out, err
}

// step is note for operations without a result.
func (s *scribe) step(op, arg int64, do func() error) error {
	_, err := s.note(op, arg, func() (int64, error) { return 0, do() })
	return err
}

// ask is note for those that report whether they did it.
func (s *scribe) ask(op int64, do func() (bool, error)) bool {
	out, _ := s.note(op, 0, func() (int64, error) {
		ok, err := do()
		if ok {
			return 1, err
		}
		return 0, err
	})
	return out == 1
}

var playsPart = Register("test.playsPart", func(ctx context.Context, p part) (int, error) {
	s := &scribe{part: p, ctx: ctx, rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	if _, err := Add(p.Ready, 1); err != nil {
		return 0, err
	}
	if err := p.Turn.Acquire(ctx); err != nil {
		return 0, err
	}
	if p.Dies >= 0 {
		go s.die()
	}
	plays[p.What].play(s)
	runtime.KeepAlive(s)
	return int(s.next.Load()), nil
})

// die kills the process while it is at its operations, wherever that is by then.
func (s *scribe) die() {
	for s.next.Load() <= int64(s.Dies) {
		runtime.Gosched()
	}
	killMyself()
}

// A drama is what is done with one object, and the object in one place.
type drama struct {
	make  func(p *part) (freer, error)
	play  func(s *scribe)
	model porcupine.Model
}

// A deed is a moment as a model sees it.
type deed struct {
	moment
	Client  int
	Pending bool // the process died in it

	// Under is what the Puts put that were under way at the time. That of one that was
	// killed is a gap, too; one that was refused had perhaps a place, and gave it back.
	Under string
}

func (a deed) is(err error) bool { return !a.Pending && momentErrors[a.Err] == err }

// opDies is the death of a process, which is a deed of its own.
const opDies = -1

// modelOf is a model with states S: step gives those that may follow, none if the
// deed cannot be.
func modelOf[S any](init S, equal func(a, b S) bool, step func(state S, a deed) []S) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{init} },
		Step: func(state, input, _ any) (all []any) {
			for _, s := range step(state.(S), input.(deed)) {
				all = append(all, s)
			}
			return all
		},
		Equal: func(a, b any) bool { return equal(a.(S), b.(S)) },
	}
	return m.ToModel()
}

func same[S comparable](a, b S) bool { return a == b }

// when is state if cond holds, and else what cannot be.
func when[S any](cond bool, state S) []S {
	if cond {
		return []S{state}
	}
	return nil
}

// maybe is when for a deed that may be pending: then nothing may have happened.
func maybe[S any](a deed, before S, cond bool, after S) []S {
	all := when(cond, after)
	if a.Pending {
		all = append(all, before)
	}
	return all
}

const (
	opLock = 1 + iota
	opTryLock
	opUnlock
	opRecover
	opRLock
	opRUnlock
	opTake
	opTryTake
	opGive
	opLoad
	opAdd
	opStore
	opSwapped
	opSet
	opClear
	opDo
	opPut
	opGet
	opReceive
	opAck
	opNack
	opTryPut
	opTryGet
	opClose
)

// A lockState is that of a lock: who writes, who reads, and whether an owner died.
type lockState struct {
	writer  int // client, 0 for nobody
	readers [1 + historySides*historyLives]int8
	broken  bool
}

// lockModel is a lock, which takes note of its owner's death, or does not.
func lockModel(notes bool) porcupine.Model {
	return modelOf(lockState{}, same, func(s lockState, a deed) []lockState {
		after, free := s, s.writer == 0 && !s.broken
		nobodyReads := s.readers == lockState{}.readers
		switch a.Op {
		case opLock, opTryLock:
			if after.writer = a.Client; a.Pending {
				return maybe(a, s, free && nobodyReads, after)
			}
			switch {
			case momentErrors[a.Err] == ErrOwnerDied:
				return when(s.broken, s)
			case a.Op == opTryLock && a.Out == 0:
				return when(s.writer != 0 || !nobodyReads, s)
			}
			return when(free && nobodyReads, after)
		case opUnlock:
			after.writer = 0
			return maybe(a, s, s.writer == a.Client, after)
		case opRLock:
			if after.readers[a.Client]++; !a.Pending && momentErrors[a.Err] == ErrOwnerDied {
				return when(s.broken, s)
			}
			return maybe(a, s, free, after)
		case opRUnlock:
			after.readers[a.Client]--
			return maybe(a, s, s.readers[a.Client] > 0, after)
		case opRecover:
			if after.broken = false; !a.Pending && momentErrors[a.Err] == ErrHealthy {
				return when(!s.broken, s)
			}
			return maybe(a, s, s.broken, after)
		}
		if after.readers[a.Client] = 0; s.writer == a.Client { // it dies
			after.writer, after.broken = 0, notes
		}
		return []lockState{after}
	})
}

func playMutex(s *scribe) {
	for range historySteps {
		var err error
		held := false
		if s.rng.IntN(3) == 0 {
			held = s.ask(opTryLock, func() (ok bool, e error) { ok, e = s.Mutex.TryLock(); err = e; return ok, e })
		} else {
			err = s.step(opLock, 0, func() error { return s.Mutex.Lock(s.ctx) })
			held = err == nil
		}
		if errors.Is(err, ErrOwnerDied) {
			_ = s.step(opRecover, 0, func() error { return s.Mutex.Recover(s.ctx, nil) })
		}
		if held {
			_ = s.step(opUnlock, 0, s.Mutex.Unlock)
		}
	}
}

func playRWMutex(s *scribe) {
	for i := range historySteps {
		lock, unlock, op := s.RW.RLock, s.RW.RUnlock, int64(opRLock)
		if i%3 == s.Client%3 {
			lock, unlock, op = s.RW.Lock, s.RW.Unlock, opLock
		}
		switch err := s.step(op, 0, func() error { return lock(s.ctx) }); {
		case errors.Is(err, ErrOwnerDied):
			_ = s.step(opRecover, 0, func() error { return s.RW.Recover(s.ctx, nil) })
		case op == opRLock:
			_ = s.step(opRUnlock, 0, unlock)
		default:
			_ = s.step(opUnlock, 0, unlock)
		}
	}
}

// semaphoreModel is a number of permits that belong to nobody.
var semaphoreModel = modelOf(int64(2), same, func(n int64, a deed) []int64 {
	switch a.Op {
	case opTake:
		return maybe(a, n, n > 0, n-1)
	case opTryTake:
		if !a.Pending && a.Out == 0 {
			return when(n == 0, n)
		}
		return maybe(a, n, n > 0, n-1)
	case opGive:
		return maybe(a, n, true, n+a.Arg)
	case opLoad:
		return maybe(a, n, a.Out == n, n)
	}
	return []int64{n}
})

// playSemaphore waits only for what there will be: for what a killed process had,
// the stage manager gives another.
func playSemaphore(s *scribe) {
	for range historySteps {
		if s.ask(opTryTake, s.Sem.TryAcquire) {
			_ = s.step(opGive, 1, func() error { return s.Sem.Release(1) })
		} else {
			_ = s.step(opGive, 2, func() error { return s.Sem.Release(2) })
			_ = s.step(opTake, 0, func() error { return s.Sem.Acquire(s.ctx) })
		}
		_, _ = s.note(opLoad, 0, func() (int64, error) { return int64(s.Sem.Value()), nil })
	}
}

// permits says how many each client has.
type permits [1 + historySides*historyLives]int8

const historyPermits = 2

var boundedModel = modelOf(permits{}, same, func(p permits, a deed) []permits {
	all, after := 0, p
	for _, n := range p {
		all += int(n)
	}
	switch a.Op {
	case opTake, opTryTake:
		if a.Op == opTryTake && !a.Pending && a.Out == 0 {
			return when(all == historyPermits, p)
		}
		after[a.Client]++
		return maybe(a, p, all < historyPermits, after)
	case opGive:
		after[a.Client]--
		return maybe(a, p, p[a.Client] > 0, after)
	}
	after[a.Client] = 0
	return []permits{after}
})

func playBounded(s *scribe) {
	for range historySteps {
		if s.rng.IntN(2) == 0 {
			if !s.ask(opTryTake, s.Bounded.TryAcquire) {
				continue
			}
		} else {
			_ = s.step(opTake, 0, func() error { return s.Bounded.Acquire(s.ctx) })
		}
		_ = s.step(opGive, 0, s.Bounded.Release)
	}
}

var valueModel = modelOf(int64(0), same, func(v int64, a deed) []int64 {
	switch a.Op {
	case opLoad:
		return maybe(a, v, a.Out == v, v)
	case opAdd: // Out is what it was before
		return maybe(a, v, a.Pending || a.Out == v, v+a.Arg)
	case opStore:
		return maybe(a, v, true, a.Arg)
	case opSwapped: // 0 for 1000
		if !a.Pending && a.Out == 0 {
			return when(v != 0, v)
		}
		return maybe(a, v, v == 0, 1000)
	}
	return []int64{v}
})

func playValue(s *scribe) {
	for i := range 2 * historySteps {
		n := int64(s.Client*100 + i)
		switch s.rng.IntN(5) {
		case 0:
			_, _ = s.note(opLoad, 0, func() (int64, error) { return s.Value.Load(), nil })
		case 1:
			_ = s.step(opStore, n, func() error { return s.Value.Store(n) })
		case 2:
			_ = s.step(opStore, 0, func() error { return s.Value.Store(0) })
			s.ask(opSwapped, func() (bool, error) { return s.Value.CompareAndSwap(0, 1000) })
		case 3:
			_, _ = s.note(opAdd, n, func() (int64, error) { sum, err := Add(s.Value, n); return sum - n, err })
		default:
			_, _ = s.note(opAdd, n, func() (old int64, err error) {
				err = s.Value.Update(s.ctx, func(v *int64) { old = *v; *v += n })
				return old, err
			})
		}
	}
}

// whole is the one number in a large value.
func whole(v [3]int64) int64 {
	if v[0] != v[1] || v[1] != v[2] {
		panic("a mix")
	}
	return v[0]
}

func playLargeValue(s *scribe) {
	for i := range 2 * historySteps {
		n := int64(s.Client*100 + i)
		switch s.rng.IntN(4) {
		case 0:
			_, _ = s.note(opLoad, 0, func() (int64, error) { return whole(s.Large.Load()), nil })
		case 1:
			_ = s.step(opStore, n, func() error { return s.Large.Store([3]int64{n, n, n}) })
		case 2:
			_ = s.step(opStore, 0, func() error { return s.Large.Store([3]int64{}) })
			s.ask(opSwapped, func() (bool, error) { return s.Large.CompareAndSwap([3]int64{}, [3]int64{1000, 1000, 1000}) })
		default:
			_, _ = s.note(opAdd, n, func() (old int64, err error) {
				err = s.Large.Update(s.ctx, func(v *[3]int64) {
					old = whole(*v)
					for i := range v {
						v[i] += n
					}
				})
				return old, err
			})
		}
	}
}

var eventModel = modelOf(false, same, func(set bool, a deed) []bool {
	switch a.Op {
	case opSet:
		return maybe(a, set, true, true)
	case opClear:
		return maybe(a, set, true, false)
	case opLoad:
		return maybe(a, set, set == (a.Out == 1), set)
	}
	return []bool{set}
})

func playEvent(s *scribe) {
	for range 2 * historySteps {
		switch s.rng.IntN(3) {
		case 0:
			_ = s.step(opSet, 0, s.Event.Set)
		case 1:
			_ = s.step(opClear, 0, s.Event.Clear)
		default:
			s.ask(opLoad, func() (bool, error) { return s.Event.IsSet(), nil })
		}
	}
}

var onceModel = modelOf(false, same, func(done bool, a deed) []bool {
	switch {
	case a.Op == opLoad:
		return maybe(a, done, done == (a.Out == 1), done)
	case a.Op == opDo && !a.Pending && a.Out == 0:
		return when(done, done)
	case a.Op == opDo:
		return maybe(a, done, !done, true)
	}
	return []bool{done}
})

func playOnce(s *scribe) {
	for range historySteps {
		s.ask(opLoad, func() (bool, error) { return s.Once.Done(), nil })
		s.ask(opDo, func() (ran bool, err error) {
			err = s.Once.Do(s.ctx, func() error { ran = true; return nil })
			return ran, err
		})
	}
}

// A queueState is what a queue holds: one byte a message.
type queueState struct {
	content  string                                // in order, with gaps
	returned string                                // what comes again, in order of their numbers
	leases   [1 + historySides*historyLives]string // by client, who has one at a time
	dead     [1 + historySides*historyLives]bool   // by client
	closed   bool
	taken    int64 // when the last one returned of those who have taken a message
}

// A gap is in the place of a message that a killed process did not commit.
const gap = "\xff"

// afterGaps is what comes after the gaps at the beginning.
func afterGaps(content string) string {
	for strings.HasPrefix(content, gap) {
		content = content[len(gap):]
	}
	return content
}

// refused is in a deed's Under for a Put that found the queue closed.
const refused = "\xfe"

// giveBack makes a message one that comes again.
func (s queueState) giveBack(m string) queueState {
	all := []byte(s.returned + m)
	slices.Sort(all)
	s.returned = string(all)
	return s
}

// takings are the messages that one may take, and what is left then.
func (s queueState) takings() (messages []string, rest []queueState) {
	for i := range len(s.returned) {
		after := s
		after.returned = s.returned[:i] + s.returned[i+1:]
		messages, rest = append(messages, s.returned[i:i+1]), append(rest, after)
	}
	if content := afterGaps(s.content); content != "" {
		after := s
		after.content = content[1:]
		messages, rest = append(messages, content[:1]), append(rest, after)
	}
	return messages, rest
}

// message is the byte of a number.
func message(n int64) string { return string([]byte{byte(n)}) }

// queueModel is a queue for so many messages, or one that grows. A message that a killed
// process was about to take comes again when its death is known, or it had it; one that it
// had on lease comes again. Those that come again do so in any order.
func queueModel(capacity int) porcupine.Model {
	return modelOf(queueState{}, same, func(s queueState, a deed) []queueState {
		switch {
		case a.Pending && s.dead[a.Client]:
			return []queueState{s} // it was killed before it did anything
		case a.Op == opPut, a.Op == opTryPut:
			return s.put(a, capacity)
		case a.is(ErrClosed):
			return when(s.isOver(a), s)
		case a.is(ErrEmpty):
			return when(s.mayBeEmpty(a), s)
		case a.Op == opGet, a.Op == opReceive, a.Op == opTryGet:
			return s.take(a)
		case a.Op == opAck, a.Op == opNack:
			after, had := s, s.leases[a.Client]
			if after.leases[a.Client] = ""; a.Op == opNack {
				after = after.giveBack(had)
			}
			return maybe(a, s, had == message(a.Arg), after)
		case a.Op == opClose:
			after := s
			after.closed = true
			return maybe(a, s, true, after)
		}
		after := s.giveBack(s.leases[a.Client]) // it dies
		after.leases[a.Client], after.dead[a.Client] = "", true
		return []queueState{after}
	})
}

// put are the states after a message was put, or a process was killed as it claimed the
// place for it. Where there is a gap there may be no room.
func (s queueState) put(a deed, capacity int) (all []queueState) {
	room := capacity == 0 || len(strings.ReplaceAll(s.content, gap, "")) < capacity
	switch {
	case a.is(ErrClosed):
		return when(s.closed, s)
	case a.is(ErrFull):
		return when(capacity > 0 && (len(s.content) >= capacity || s.isHeldUp(a)), s)
	case a.Pending:
		all = append(all, s)
	}
	if s.closed || !room {
		return all
	}
	if a.Pending {
		claimed := s
		claimed.content += gap
		all = append(all, claimed)
	}
	s.content += message(a.Arg)
	return append(all, s)
}

// isHeldUp reports whether the next place may not be free because somebody who took its
// message has not let go of it, who has not returned by then or is dead; or because of a
// Put that is refused.
func (s queueState) isHeldUp(a deed) bool {
	return s.taken > a.Call || s.returned != "" || strings.Contains(a.Under, refused)
}

// isOver reports whether no message may come any more. Who receives waits for those on
// lease, for they may come back.
func (s queueState) isOver(a deed) bool {
	lent := a.Op == opReceive && s.leases != queueState{}.leases
	return s.closed && s.returned == "" && afterGaps(s.content) == "" && !lent
}

// mayBeEmpty reports whether there is no message, or the first one's Put is not over. Then
// those behind it cannot be had, though their Puts may be over.
func (s queueState) mayBeEmpty(a deed) bool {
	content := s.content
	if !strings.Contains(a.Under, gap) { // all who left a gap are known to be dead
		content = afterGaps(content)
	}
	switch {
	case s.returned != "":
		return false
	case content == "":
		return !s.closed
	}
	return strings.Contains(a.Under, content[:1]) || strings.Contains(a.Under, refused)
}

// take are the states after a message was taken. A killed process has it until its death is
// known, or for ever.
func (s queueState) take(a deed) (all []queueState) {
	messages, rest := s.takings()
	for i, m := range messages {
		if !a.Pending && message(a.Out) != m {
			continue
		}
		after := rest[i]
		after.taken = max(after.taken, a.Return)
		if a.Op != opReceive {
			all = append(all, after)
		}
		if after.leases[a.Client] = m; a.Pending || a.Op == opReceive {
			all = append(all, after)
		}
	}
	if a.Pending {
		all = append(all, s)
	}
	return all
}

// withPuts tells those who found no message, or no room, what Puts were under way.
func withPuts(ops []porcupine.Operation) []porcupine.Operation {
	all := slices.Clone(ops)
	for i, op := range all {
		a := op.Input.(deed)
		if !a.is(ErrEmpty) && !a.is(ErrFull) {
			continue
		}
		for _, other := range ops {
			p := other.Input.(deed)
			switch {
			case p.Op != opPut && p.Op != opTryPut, p.Return < a.Call, p.Call > a.Return:
			case p.Pending:
				a.Under += message(p.Arg) + gap
			case p.is(ErrClosed):
				a.Under += refused
			default:
				a.Under += message(p.Arg)
			}
		}
		all[i].Input = a
	}
	return all
}

// playQueue puts its numbers, or gets until the queue is closed.
func playQueue(s *scribe) { s.playQueue(false) }

// playLeases is playQueue with messages that are received.
func playLeases(s *scribe) { s.playQueue(true) }

func (s *scribe) playQueue(leases bool) {
	if s.Puts {
		s.puts()
		return
	}
	for s.next.Load() < historyRoom-3 {
		if s.rng.IntN(4) == 0 {
			if _, err := s.note(opTryGet, 0, s.Queue.TryGet); errors.Is(err, ErrClosed) {
				return
			}
		}
		if s.takes(leases) != nil {
			return
		}
	}
}

// puts puts its numbers, but for those for which there is no room at once. The last one of
// a side may close the queue while there still are messages.
func (s *scribe) puts() {
	for i := range int64(historySteps) {
		n := int64(s.Client)*historySteps + i
		if s.rng.IntN(3) == 0 {
			_ = s.step(opTryPut, n, func() error { return s.Queue.TryPut(n) })
		} else {
			_ = s.step(opPut, n, func() error { return s.Queue.Put(s.ctx, n) })
		}
	}
	if s.Dies < 0 && s.rng.IntN(2) == 0 {
		_ = s.step(opClose, 0, s.Queue.Close)
	}
}

// takes waits for a message.
func (s *scribe) takes(leases bool) error {
	if !leases || s.rng.IntN(4) == 0 {
		_, err := s.note(opGet, 0, func() (int64, error) { return s.Queue.Get(s.ctx) })
		return err
	}
	var d *Delivery[int64]
	n, err := s.note(opReceive, 0, func() (n int64, err error) {
		if d, err = s.Queue.Receive(s.ctx); err == nil {
			n = d.Value
		}
		return n, err
	})
	switch {
	case err != nil:
		return err
	case d.Attempt == 1 && s.rng.IntN(4) == 0:
		return s.step(opNack, n, func() error { return d.Nack(0) })
	}
	return s.step(opAck, n, d.Ack)
}

// plays are all of them. A function breaks the cycle of declarations.
var plays = map[string]drama{}

func init() {
	queues := func(capacity int, opts ...QueueOption) func(*part) (freer, error) {
		return func(p *part) (f freer, err error) {
			p.Queue, err = NewQueue[int64](capacity, opts...)
			return p.Queue, err
		}
	}
	mutexes := func(opts ...MutexOption) func(*part) (freer, error) {
		return func(p *part) (f freer, err error) { p.Mutex, err = NewMutex(opts...); return p.Mutex, err }
	}
	for what, play := range map[string]drama{
		"mutex":       {mutexes(), playMutex, lockModel(true)},
		"quiet mutex": {mutexes(IgnoreOwnerDeath()), playMutex, lockModel(false)},
		"rwmutex": {func(p *part) (f freer, err error) { p.RW, err = NewRWMutex(); return p.RW, err },
			playRWMutex, lockModel(true)},
		"semaphore": {func(p *part) (f freer, err error) { p.Sem, err = NewSemaphore(2); return p.Sem, err },
			playSemaphore, semaphoreModel},
		"bounded semaphore": {func(p *part) (f freer, err error) {
			p.Bounded, err = NewBoundedSemaphore(historyPermits)
			return p.Bounded, err
		}, playBounded, boundedModel},
		"value": {func(p *part) (f freer, err error) { p.Value, err = NewValue[int64](0); return p.Value, err },
			playValue, valueModel},
		"large value": {func(p *part) (f freer, err error) { p.Large, err = NewValue([3]int64{}); return p.Large, err },
			playLargeValue, valueModel},
		"event": {func(p *part) (f freer, err error) { p.Event, err = NewEvent(); return p.Event, err },
			playEvent, eventModel},
		"once": {func(p *part) (f freer, err error) { p.Once, err = NewOnce(); return p.Once, err },
			playOnce, onceModel},
		"queue":                         {queues(2), playQueue, queueModel(2)},
		"queue that grows":              {queues(0), playQueue, queueModel(0)},
		"queue with leases":             {queues(3, WithMaxLeases(2)), playLeases, queueModel(3)},
		"queue that grows, with leases": {queues(0), playLeases, queueModel(0)},
	} {
		plays[what] = play
	}
}

func TestTheHistoriesOfFourProcessesAreThoseOfOneObject(t *testing.T) {
	for what := range plays {
		t.Run(what, func(t *testing.T) {
			endEmpty(t)
			for range *histories {
				stagePlay(t, what)
			}
		})
	}
}

// A stage manager starts the processes of a play, kills them, and gathers what they
// wrote.
type stageManager struct {
	*testing.T
	part
	mu    sync.Mutex
	deeds []porcupine.Operation
}

// stagePlay checks one history.
func stagePlay(t *testing.T, what string) {
	m := &stageManager{T: t, part: part{What: what}}
	object, err := plays[what].make(&m.part)
	require.NoError(t, err)
	m.Clock, err = NewValue[int64](0)
	require.NoError(t, err)
	m.Ready, err = NewValue[int64](0)
	require.NoError(t, err)
	m.Moments, err = NewArray[moment](historySides * historyLives * historyRoom)
	require.NoError(t, err)
	defer giveBack(t, []freer{object, m.Clock, m.Ready, m.Moments})
	m.play()
	killed := 0
	for _, op := range m.deeds {
		if op.Input.(deed).Op == opDies {
			killed++
		}
	}
	t.Logf("%d operations, %d processes killed", len(m.deeds)-killed, killed)
	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(plays[what].model, withPuts(m.deeds), hangs))
}

// play runs all processes to their ends. What those get who do not put is closed when
// all are gone that do.
func (m *stageManager) play() {
	var sides [historySides][]cast
	for i := range historySides * historyLives {
		side := i % historySides
		sides[side] = append(sides[side], m.hire(side, i/historySides))
	}
	eventually(m, func() bool { return m.Ready.Load() == historySides*historyLives }, "all are ready")
	var putters, getters sync.WaitGroup
	for side, all := range sides {
		if side%2 == 0 {
			putters.Go(func() { m.side(all) })
		} else {
			getters.Go(func() { m.side(all) })
		}
	}
	putters.Wait()
	if m.Queue != nil {
		m.does(opClose, func() (int64, error) { return 0, m.Queue.Close() })
	}
	getters.Wait()
	for m.Queue != nil && m.does(opTryGet, m.Queue.TryGet) == nil {
	}
}

// does is note of the stage manager, who is client 0.
func (m *stageManager) does(op int64, do func() (int64, error)) error {
	a := deed{moment: moment{Op: op, Call: m.now()}}
	var err error
	a.Out, err = do()
	a.Err, a.Return = momentError(err), m.now()
	assert.GreaterOrEqual(m, a.Err, int64(0), err)
	m.write(a)
	return err
}

// One of the cast is a process that waits for its turn.
type cast struct {
	part
	*Process
}

// hire starts a process.
func (m *stageManager) hire(side, life int) cast {
	p := m.part
	p.Client = 1 + side*historyLives + life
	p.First = (p.Client - 1) * historyRoom
	p.Puts, p.Dies = side%2 == 0, -1
	if life < historyLives-1 {
		p.Dies = rand.IntN(historySteps)
	}
	var err error
	p.Turn, err = NewSemaphore(0)
	require.NoError(m, err)
	child, err := playsPart.Start(m.Context(), p)
	require.NoError(m, err)
	return cast{p, child}
}

// side lets one process play after the other.
func (m *stageManager) side(all []cast) {
	for _, c := range all {
		assert.NoError(m, c.Turn.Release(1))
		err := c.Wait(m.Context())
		last := m.gather(c.part)
		var exit *ExitError
		if errors.As(err, &exit) && exit.Signal == syscall.SIGKILL {
			err = nil
			m.died(c.Client, last)
		}
		assert.NoError(m, err)
		assert.NoError(m, c.Turn.Free())
	}
}

// now is a reading of the clock.
func (m *stageManager) now() int64 {
	n, err := Add(m.Clock, 1)
	assert.NoError(m, err)
	return n
}

// died writes down that a process was killed after what it wrote last, and that its
// permit was replaced.
func (m *stageManager) died(client int, last int64) {
	m.write(deed{moment: moment{Op: opDies, Call: last, Return: m.now()}, Client: client})
	if m.Sem != nil {
		give := deed{moment: moment{Op: opGive, Arg: 1, Call: m.now()}}
		assert.NoError(m, m.Sem.Release(1))
		give.Return = m.now()
		m.write(give)
	}
}

// gather takes over what a process wrote that is gone, and returns when it wrote last.
// What it was at is over by now, or never will be.
func (m *stageManager) gather(p part) (last int64) {
	for _, written := range m.Moments.Slice()[p.First:][:historyRoom] {
		a := deed{moment: written, Client: p.Client}
		last = max(last, a.Call, a.Return)
		if a.Pending = a.Return == 0; a.Pending {
			a.Return = m.now()
		}
		if a.Call != 0 {
			m.write(a)
		}
	}
	return last
}

func (m *stageManager) write(a deed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deeds = append(m.deeds, porcupine.Operation{ClientId: a.Client, Input: a, Call: a.Call, Return: a.Return})
}

// Histories that no such object has, each of deeds one after the other.
func TestHistoriesThatCannotBeAreRefused(t *testing.T) {
	died, closed, empty, full := momentError(ErrOwnerDied), momentError(ErrClosed), momentError(ErrEmpty), momentError(ErrFull)
	put := func(n int64) deed { return deed{Client: 3, moment: moment{Op: opPut, Arg: n}} }
	get := func(n int64) deed { return deed{Client: 4, moment: moment{Op: opGet, Out: n}} }
	receive := func(client int, n int64) deed { return deed{Client: client, moment: moment{Op: opReceive, Out: n}} }
	fails := func(op, err int64) deed { return deed{Client: 5, moment: moment{Op: op, Err: err, Arg: 9}} }
	dies := func(client int) deed { return deed{Client: client, moment: moment{Op: opDies}} }
	closes := deed{moment: moment{Op: opClose}}
	for what, deeds := range map[string][]deed{
		"mutex two owners":         {{Client: 1, moment: moment{Op: opLock}}, {Client: 2, moment: moment{Op: opLock}}},
		"mutex not repaired":       {{Client: 1, moment: moment{Op: opLock}}, dies(1), {Client: 2, moment: moment{Op: opLock}}},
		"mutex nobody died":        {{Client: 1, moment: moment{Op: opLock, Err: died}}},
		"rwmutex read and written": {{Client: 1, moment: moment{Op: opRLock}}, {Client: 2, moment: moment{Op: opLock}}},
		"semaphore too many":       {{moment: moment{Op: opTake}}, {moment: moment{Op: opTake}}, {moment: moment{Op: opTake}}},
		"bounded semaphore kept":   {{Client: 1, moment: moment{Op: opTake}}, dies(1), {moment: moment{Op: opTake}}, {moment: moment{Op: opTryTake}}},
		"value old":                {{moment: moment{Op: opStore, Arg: 1}}, {moment: moment{Op: opLoad}}},
		"value added twice":        {{moment: moment{Op: opAdd, Arg: 1}}, {moment: moment{Op: opAdd, Arg: 1}}},
		"event missed":             {{moment: moment{Op: opSet}}, {moment: moment{Op: opLoad}}},
		"once twice":               {{moment: moment{Op: opDo, Out: 1}}, {moment: moment{Op: opDo, Out: 1}}},

		"queue order":                      {put(1), put(2), get(2)},
		"queue doubled":                    {put(1), get(1), get(1)},
		"queue lost":                       {put(1), put(2), dies(1), get(2)},
		"queue over-filled":                {put(1), put(2), put(3)},
		"queue over-filled at once":        {put(1), put(2), {moment: moment{Op: opTryPut, Arg: 3}}},
		"queue full too soon":              {put(1), fails(opTryPut, full)},
		"queue full when it is empty":      {put(1), put(2), fails(opTryPut, full), get(1), get(2), fails(opTryPut, full)},
		"queue that grows full":            {put(1), put(2), fails(opTryPut, full)},
		"queue empty with a message":       {fails(opTryGet, empty), put(1), fails(opTryGet, empty)},
		"queue closed before Close":        {put(1), get(1), fails(opGet, closed)},
		"queue closed with a message":      {put(1), put(2), closes, get(1), fails(opGet, closed)},
		"queue closed, tried":              {put(1), closes, fails(opTryGet, closed)},
		"queue empty when it is closed":    {put(1), get(1), closes, fails(opTryGet, closed), fails(opTryGet, empty)},
		"queue put to when it is closed":   {put(1), closes, put(2)},
		"queue closed to Put before Close": {put(1), fails(opPut, closed)},

		"queue with leases two have":         {put(1), receive(1, 1), receive(2, 1)},
		"queue with leases lost":             {put(1), receive(1, 1), dies(1), fails(opTryGet, empty)},
		"queue with leases lost at the end":  {put(1), receive(1, 1), closes, dies(1), fails(opGet, closed)},
		"queue with leases lost when Nacked": {put(1), receive(1, 1), closes, {Client: 1, moment: moment{Op: opNack, Arg: 1}}, fails(opGet, closed)},
		"queue with leases closed too soon":  {put(1), receive(1, 1), closes, fails(opGet, closed), fails(opReceive, closed)},
	} {
		var ops []porcupine.Operation
		for i, a := range deeds {
			ops = append(ops, during(a, int64(2*i), int64(2*i+1)))
		}
		require.False(t, isHistory(what, ops), what)
		require.True(t, isHistory(what, ops[:len(ops)-1]), what)
	}
}

// during is a deed as an operation.
func during(a deed, call, end int64) porcupine.Operation {
	a.Call, a.Return = call, end
	return porcupine.Operation{Input: a, Call: call, Return: end}
}

// isHistory reports whether the object of that name, or the longest that is the begin of
// it, may have such a history.
func isHistory(what string, ops []porcupine.Operation) bool {
	var name string
	for known := range plays {
		if strings.HasPrefix(what, known) && len(known) > len(name) {
			name = known
		}
	}
	return porcupine.CheckOperations(plays[name].model, withPuts(ops))
}

// What one would not expect of a queue in one place, and what makes it so.
func TestHistoriesOfWhatIsUnderWay(t *testing.T) {
	empty, full, closed := momentError(ErrEmpty), momentError(ErrFull), momentError(ErrClosed)
	put := deed{Client: 1, moment: moment{Op: opPut, Arg: 1}}
	behind := during(deed{Client: 2, moment: moment{Op: opPut, Arg: 2}}, 2, 3)
	get := deed{Client: 1, moment: moment{Op: opGet, Out: 1}}
	killed := func(a deed) deed { a.Pending = true; return a }
	finds := func(op, err, call int64) porcupine.Operation {
		return during(deed{Client: 3, moment: moment{Op: op, Err: err, Arg: 3}}, call, call+1)
	}
	gets := func(n, call int64) porcupine.Operation {
		return during(deed{Client: 4, moment: moment{Op: opGet, Out: n}}, call, call+1)
	}
	for what, h := range map[string]struct {
		ops     []porcupine.Operation
		culprit func(end int64) porcupine.Operation // what is under way until then
	}{
		"a message behind one that is being put": {[]porcupine.Operation{behind, finds(opTryGet, empty, 8), gets(2, 30)},
			func(end int64) porcupine.Operation { return during(killed(put), 1, end) }},
		"a place behind one that is being freed": {
			[]porcupine.Operation{during(put, 0, 1), behind, gets(2, 4), finds(opTryPut, full, 8)},
			func(end int64) porcupine.Operation { return during(get, 3, end) }},
		"the end, while a message is with the dead": {
			[]porcupine.Operation{during(put, 0, 1), finds(opClose, 0, 2), finds(opGet, closed, 8), gets(1, 30)},
			func(end int64) porcupine.Operation {
				return during(deed{Client: 2, moment: moment{Op: opDies}}, 3, end)
			}},
	} {
		with := func(end int64) []porcupine.Operation {
			ops := append(slices.Clone(h.ops), h.culprit(end))
			if strings.Contains(what, "dead") {
				ops = append(ops, during(deed{Client: 2, Pending: true, moment: moment{Op: opGet}}, 3, end))
			}
			return ops
		}
		require.True(t, isHistory("queue", with(20)), what)
		require.False(t, isHistory("queue", with(5)), what)
	}
}
