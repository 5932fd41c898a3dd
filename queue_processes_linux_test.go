package mp

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/sys"
)

// A consignment is what the processes of a storm share.
type consignment struct {
	Queue   *Queue[int64]
	Done    *Array[int64] // how often each number was dealt with
	Sent    *Array[int64] // 1 for each number whose Put returned nil
	Dealt   *Value[int64] // how many were dealt with
	First   int64         // of the numbers a producer puts
	Count   int64
	Batches bool
}

// sends puts its numbers, in any way there is.
var sends = Register("test.sends", func(ctx context.Context, in consignment) (int, error) {
	for n := in.First; n < in.First+in.Count; {
		size := int64(1)
		if in.Batches {
			size = min(1+rand.Int64N(100), in.First+in.Count-n)
		}
		var numbers []int64
		for i := range size {
			numbers = append(numbers, n+i)
		}
		put, err := in.Queue.PutBatch(ctx, numbers)
		for _, number := range numbers[:put] {
			in.Sent.Slice()[number] = 1
		}
		if err != nil {
			return 0, err
		}
		n += size
	}
	return 0, nil
})

// deals receives numbers, notes each, and acknowledges it; some it returns first.
var deals = Register("test.deals", func(ctx context.Context, in consignment) (int, error) {
	n := 0
	for {
		d, err := in.Queue.Receive(ctx)
		if errors.Is(err, ErrClosed) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if d.Attempt == 1 && rand.IntN(10) == 0 {
			if err := d.Nack(0); err != nil {
				return n, err
			}
			continue
		}
		if _, err := Add(in.Dealt, 1); err != nil {
			return n, err
		}
		if err := in.Done.Update(ctx, func(done []int64) { done[d.Value]++ }); err != nil && !errors.Is(err, ErrOwnerDied) {
			return n, err
		} else if errors.Is(err, ErrOwnerDied) {
			_ = in.Done.Recover(ctx, func([]int64) error { return nil })
			in.Done.Slice()[d.Value]++ // nobody else has this number
		}
		if err := d.Ack(); err != nil {
			return n, err
		}
		n++
	}
})

// Producers and consumers with leases are killed at random. Nothing that was sent
// is lost; what was dealt with twice had a consumer that was killed before it could
// acknowledge it.
func TestLeasesOfKilledProcessesComeBack(t *testing.T) {
	for name, capacity := range map[string]int{"bounded": 16, "growing": 0} {
		t.Run(name, func(t *testing.T) {
			endEmpty(t)
			newLeaseStorm(t, capacity).rage()
		})
	}
}

// diesOfIt receives a message, and is killed.
var diesOfIt = Register("test.diesOfIt", func(ctx context.Context, q *Queue[string]) (int, error) {
	_, err := q.Receive(ctx)
	if err == nil {
		killMyself()
	}
	return 0, err
})

// A job that kills whoever receives it is a dead letter when somebody else comes upon
// it, who goes on with the next.
func TestAJobThatKillsItsReceiversIsADeadLetter(t *testing.T) {
	requireNoLeak(t)
	ctx := within(t)
	dead, err := NewQueue[string](1)
	require.NoError(t, err)
	q, err := NewQueue[string](2, WithMaxAttempts(2, dead))
	require.NoError(t, err)
	defer func() { giveBack(t, []freer{q, dead}) }()
	require.NoError(t, q.Put(ctx, "poison"))
	for range 2 {
		_, err := diesOfIt.Run(ctx, q)
		var exit *ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, syscall.SIGKILL, exit.Signal)
	}
	require.NoError(t, q.Put(ctx, "job"))
	d, err := q.Receive(ctx)
	require.NoError(t, err)
	require.Equal(t, "job", d.Value)
	require.NoError(t, d.Ack())
	require.NoError(t, q.Join(ctx))
	letter, err := dead.TryGet()
	require.NoError(t, err)
	require.Equal(t, "poison", letter)
}

// A leaseStorm kills the processes at both ends of a queue.
type leaseStorm struct {
	t *testing.T
	consignment
	kills  int          // of each side
	killed atomic.Int64 // consumers
}

const (
	stormSides = 2    // producers, and consumers, at a time
	stormKills = 25   // of each, at most
	stormEach  = 2000 // numbers of a producer
)

func newLeaseStorm(t *testing.T, capacity int) *leaseStorm {
	s := &leaseStorm{t: t, kills: stormKills}
	if brief() {
		s.kills /= 4
	}
	var errs [4]error
	s.Queue, errs[0] = NewQueue[int64](capacity)
	s.Done, errs[1] = NewArray[int64](stormSides * (stormKills + 1) * stormEach)
	s.Sent, errs[2] = NewArray[int64](s.Done.Len())
	s.Dealt, errs[3] = NewValue[int64](0)
	require.NoError(t, errors.Join(errs[:]...))
	s.Count = stormEach
	t.Cleanup(func() { giveBack(t, []freer{s.Queue, s.Done, s.Sent, s.Dealt}) })
	return s
}

func (s *leaseStorm) rage() {
	var producers, consumers sync.WaitGroup
	for i := range stormSides {
		producers.Go(func() { s.produce(i) })
		consumers.Go(s.consume)
	}
	producers.Wait()
	assert.NoError(s.t, s.Queue.Join(s.t.Context()))
	assert.NoError(s.t, s.Queue.Close())
	consumers.Wait()
	s.check()
}

// produce kills one producer after the other on its way, but for the last.
func (s *leaseStorm) produce(side int) {
	for life := range s.kills + 1 {
		in := s.consignment
		in.First = int64(side*(stormKills+1)+life) * stormEach
		in.Batches = side == 1
		p, err := sends.Start(s.t.Context(), in)
		if !assert.NoError(s.t, err) {
			return
		}
		if life < s.kills {
			until := in.First + rand.Int64N(stormEach)
			for s.Sent.At(int(until)) == 0 && p.Alive() {
				runtime.Gosched()
			}
			_ = p.Kill()
		}
		s.mourn(p)
	}
}

// consume kills one consumer after the other, until the queue is closed.
func (s *leaseStorm) consume() {
	for life := 0; ; life++ {
		p, err := deals.Start(s.t.Context(), s.consignment)
		if !assert.NoError(s.t, err) {
			return
		}
		if life < s.kills {
			for until := s.Dealt.Load() + rand.Int64N(500); s.Dealt.Load() < until && p.Alive(); {
				runtime.Gosched()
			}
			_ = p.Kill()
		}
		if !s.mourn(p) {
			return
		}
		s.killed.Add(1)
	}
}

// mourn reports whether the process was killed; otherwise it must have ended well.
func (s *leaseStorm) mourn(p *Process) bool {
	err := p.Wait(s.t.Context())
	var exit *ExitError
	if errors.As(err, &exit) && exit.Signal == syscall.SIGKILL {
		return true
	}
	assert.NoError(s.t, err)
	return false
}

func (s *leaseStorm) check() {
	var sent, lost, again int64
	for i, n := range s.Done.Slice() {
		sent += s.Sent.At(i)
		if n == 0 {
			lost += s.Sent.At(i)
		}
		again += max(0, n-1)
	}
	s.t.Logf("%d messages, %d consumers killed, %d messages dealt with again", sent, s.killed.Load(), again)
	require.Zero(s.t, lost, "messages that were put and never dealt with")
	require.LessOrEqual(s.t, again, s.killed.Load(), "a consumer has one message at a time")
}

// A history is what one process saw of a queue; the times are from one clock, which
// all of them raise.
type history struct {
	Queue *Queue[int32]
	Clock *Value[int64]
	First int32 // what it puts, if not 0
	Gets  bool  // by Get, or by Receive and Ack
}

const historyLength = 24

type observation struct {
	Value     int32
	Call, End int64
}

var records = Register("test.records", func(ctx context.Context, in history) (ops []observation, err error) {
	for i := range int32(historyLength) {
		op := observation{Value: in.First + i}
		if op.Call, err = Add(in.Clock, 1); err != nil {
			return nil, err
		}
		switch {
		case in.First != 0:
			err = in.Queue.Put(ctx, op.Value)
		case in.Gets:
			op.Value, err = in.Queue.Get(ctx)
		default:
			var d *Delivery[int32]
			if d, err = in.Queue.Receive(ctx); err == nil {
				op.Value, err = d.Value, d.Ack()
			}
		}
		if err != nil {
			return nil, err
		}
		if op.End, err = Add(in.Clock, 1); err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
})

// fifo is a queue of numbers; the state is its content. Inputs are what is put, 0
// for a get.
var fifo = porcupine.Model{
	Init: func() any { return []int32{} },
	Step: func(state, input, output any) (bool, any) {
		content := state.([]int32)
		if put := input.(int32); put != 0 {
			return true, append(slices.Clip(content), put)
		}
		return len(content) > 0 && content[0] == output.(int32), content[min(1, len(content)):]
	},
	Equal: func(a, b any) bool { return slices.Equal(a.([]int32), b.([]int32)) },
}

// What four processes see of a queue is what a queue in one place would show.
func TestTheHistoryOfFourProcessesIsThatOfAQueue(t *testing.T) {
	for _, capacity := range []int{0, 1, 3, 64} {
		q := newQueue[int32](t, capacity)
		clock, err := NewValue[int64](0)
		require.NoError(t, err)
		var results [4][]observation
		var all sync.WaitGroup
		for i := range results {
			in := history{Queue: q, Clock: clock, Gets: i == 2}
			if i < 2 {
				in.First = int32(1000 * (i + 1))
			}
			all.Go(func() {
				var err error
				results[i], err = records.Run(t.Context(), in)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		var ops []porcupine.Operation
		for client, result := range results {
			for _, op := range result {
				o := porcupine.Operation{ClientId: client, Call: op.Call, Return: op.End, Input: op.Value, Output: op.Value}
				if client >= 2 {
					o.Input = int32(0)
				}
				ops = append(ops, o)
			}
		}
		require.NoError(t, clock.Free())
		require.Len(t, ops, 4*historyLength)
		require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(fifo, ops, hangs), "capacity %d", capacity)
	}
}

var borrows = Register("test.borrows", func(ctx context.Context, q *Queue[[]byte]) (sum int, err error) {
	b, err := Borrow(ctx, q)
	if err != nil {
		return 0, err
	}
	defer b.Release()
	s := b.Slice()
	return len(s) + int(s[0]) + int(s[len(s)-1]), nil
})

func TestAQueuesMessageOfAGibibyte(t *testing.T) {
	if have, known := sys.MemAvailable(); testing.Short() || known && have < 3*gib {
		t.Skip("it takes a gibibyte of memory, and 3 GiB must be available")
	}
	q := newQueue[[]byte](t, 1)
	l, err := Loan(q, gib)
	require.NoError(t, err)
	l.Slice()[0], l.Slice()[gib-1] = 1, 2
	require.NoError(t, l.Publish(t.Context()))
	sum, err := borrows.Run(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, gib+3, sum)
}

// A juggling is a queue, and a semaphore that gets a permit for each thing done.
type juggling struct {
	Queue *Queue[[]byte]
	Done  *Semaphore
}

// juggles does all that there is to do with long messages, until it is killed.
var juggles = Register("test.juggles", func(ctx context.Context, j juggling) (int, error) {
	for q := j.Queue; ; {
		if err := j.Done.Release(1); err != nil {
			return 0, err
		}
		var err error
		size := 1000 + rand.IntN(100_000)
		switch rand.IntN(5) {
		case 0:
			err = q.TryPut(make([]byte, size))
		case 1:
			var l *Loaned[byte]
			if l, err = Loan(q, size); err == nil {
				if err = l.TryPublish(); err != nil {
					l.Discard()
				}
			}
		case 2:
			_, err = q.TryGet()
		case 3:
			var b *Borrowed[byte]
			if b, err = TryBorrow(q); err == nil {
				b.Release()
			}
		case 4:
			var d *Delivery[[]byte]
			if d, err = q.TryReceive(); err == nil && rand.IntN(2) == 0 {
				err = d.Nack(0)
			} else if err == nil {
				err = d.Ack()
			}
		}
		if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, ErrEmpty) {
			return 0, err
		}
	}
})

// Whoever is killed in the middle of making annexes, segments, spares, loans and
// leases, or of letting go of them: nothing is left of it, and nobody is held up.
func TestLongMessagesOfKilledProcessesLeaveNothing(t *testing.T) {
	for _, capacity := range []int{0, 3} {
		for range 10 { // each time the annexes are made anew
			q := newQueue[[]byte](t, capacity)
			done, err := NewSemaphore(0)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, done.Free()) })
			var jugglers sync.WaitGroup
			for range 3 {
				jugglers.Go(func() {
					for range 2 {
						p, err := juggles.Start(t.Context(), juggling{q, done})
						if !assert.NoError(t, err) {
							return
						}
						for range rand.IntN(100) {
							assert.NoError(t, done.Acquire(t.Context()))
						}
						_ = p.Kill()
						var exit *ExitError
						assert.ErrorAs(t, p.Wait(t.Context()), &exit)
						assert.Equal(t, syscall.SIGKILL, exit.Signal, "%v", exit)
					}
				})
			}
			jugglers.Wait()
			require.NoError(t, q.Close())
			for {
				if _, err := q.Get(t.Context()); err != nil {
					require.ErrorIs(t, err, ErrClosed)
					break
				}
			}
			require.NoError(t, q.Join(t.Context()))
		}
	}
}
