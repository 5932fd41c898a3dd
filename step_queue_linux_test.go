package mp

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/shm"
)

// A lane is a queue of a scene whose messages stand for numbers.
type lane[T any] struct {
	of     func(s *scene) **Queue[T]
	dead   func(s *scene) **Queue[T] // where its dead letters go
	letter func(n int64) T
	number func(m T) int64
}

// freeLetter gives a message back if it is a handle.
func freeLetter[T any](m T) {
	if h, ok := any(m).(freer); ok {
		_ = h.Free()
	}
}

// Short messages lie in their cells, long ones in blocks of their own, and handles in
// blocks that keep what they are handles of.
var (
	short = lane[int64]{
		of:     func(s *scene) **Queue[int64] { return &s.Queue },
		dead:   func(s *scene) **Queue[int64] { return &s.Dead },
		letter: func(n int64) int64 { return n },
		number: func(m int64) int64 { return m },
	}
	long = lane[[]byte]{
		of:     func(s *scene) **Queue[[]byte] { return &s.Letters },
		dead:   func(s *scene) **Queue[[]byte] { return &s.DeadLetters },
		letter: func(n int64) []byte { return bytes.Repeat([]byte{byte(n)}, DefaultInline+100) },
		number: func(m []byte) int64 {
			if len(m) != DefaultInline+100 || bytes.Count(m, m[:1]) != len(m) {
				return -1
			}
			return int64(m[0])
		},
	}
	handles = lane[*Value[int64]]{
		of:     func(s *scene) **Queue[*Value[int64]] { return &s.Values },
		dead:   func(s *scene) **Queue[*Value[int64]] { return &s.DeadValues },
		letter: func(n int64) *Value[int64] { return newly(NewValue(n)) },
		number: func(m *Value[int64]) int64 { return m.Load() },
	}
)

func init() {
	short.addFeats("")
	long.addFeats(" of a long message")
	handles.addFeats(" of a handle")

	feats["Queue.PutBatch of ten"] = feat{
		lay: func(p *ordeal) { short.lay(p, 16, 1, 2) },
		do: func(ctx context.Context, s *scene) error {
			_, err := s.Queue.PutBatch(ctx, upTo[int64](13)[3:])
			return err
		},
		check: func(p *ordeal) {
			short.puts(p, 13)
			short.gets(p, 1, 2)
			next := int64(3)
			for n := short.getsAny(p); n != 13; n = short.getsAny(p) {
				require.Equal(p, next, n) // some of them, from the first on
				next++
			}
			require.True(p, !p.over || next == 13)
			short.checkRoom(p)
		},
	}
	feats["Queue.GetBatch of ten"] = feat{
		lay: func(p *ordeal) { short.lay(p, 16, upTo[int64](13)[1:]...) },
		do: func(ctx context.Context, s *scene) error {
			_, err := s.Queue.GetBatch(ctx, make([]int64, 10))
			return err
		},
		check: func(p *ordeal) {
			got := []int64{short.getsAny(p), short.getsAny(p)} // at once
			p.awaitDeath()
			got = append(got, short.drain(p)...)
			slices.Sort(got)
			require.Equal(p, slices.Compact(slices.Clone(got)), got)
			require.Equal(p, []int64{11, 12}, got[len(got)-2:])
			require.True(p, !p.over || len(got) == 2)
			short.checkRoom(p)
		},
	}
	feats["Queue.Put of a long message into a spare block"] = feat{
		large: true,
		lay: func(p *ordeal) {
			long.lay(p, 4, 9)
			long.gets(p, 9) // leaves its block
			long.puts(p, 1, 2)
		},
		do:    func(ctx context.Context, s *scene) error { return s.Letters.Put(ctx, long.letter(3)) },
		check: long.checkPut,
	}
	feats["Loan, and Publish"] = feat{
		large: true,
		lay:   func(p *ordeal) { long.lay(p, 4, 1, 2) },
		do: func(ctx context.Context, s *scene) error {
			m := long.letter(3)
			l, err := Loan(s.Letters, len(m))
			return then(err, func() error {
				copy(l.Slice(), m)
				return l.Publish(ctx)
			})
		},
		check: func(p *ordeal) {
			long.checkPut(p)
			long.checkRoom(p)
		},
	}
	feats["Borrow, and Release"] = feat{
		large: true,
		lay:   func(p *ordeal) { long.lay(p, 4, 1, 2, 3) },
		do: func(ctx context.Context, s *scene) error {
			b, err := Borrow(ctx, s.Letters)
			return then(err, func() error {
				b.Release()
				return nil
			})
		},
		check: func(p *ordeal) {
			long.checkGet(p)
			long.checkRoom(p)
		},
	}
	feats["Queue.Put that adds a segment"] = feat{
		large: true,
		lay:   func(p *ordeal) { short.lay(p, 0, upTo[int64](firstSegment)...) },
		do:    func(ctx context.Context, s *scene) error { return s.Queue.Put(ctx, 3) },
		check: func(p *ordeal) {
			short.gets(p, upTo[int64](firstSegment)...)
			short.puts(p, 4)
			short.getsRest(p)
			short.checkGrowth(p)
		},
	}
	feats["Queue.Get that retires a segment"] = feat{
		large: true,
		lay: func(p *ordeal) {
			passed := upTo[int64](firstSegment + 2*firstSegment)
			short.lay(p, 0, passed...)
			short.puts(p, 1, 2, 3)
			short.gets(p, passed...)
		},
		do: func(ctx context.Context, s *scene) error { _, err := s.Queue.Get(ctx); return err },
		check: func(p *ordeal) {
			short.checkGet(p)
			short.checkGrowth(p)
		},
	}
}

// onLease is the victim's delivery.
var onLease interface {
	Ack() error
	Nack(delay time.Duration) error
}

// addFeats adds what can be done with a queue of either kind of messages.
func (l lane[T]) addFeats(what string) {
	large := what != ""
	queue := func(s *scene) *Queue[T] { return *l.of(s) }
	put := func(ctx context.Context, s *scene) error { return queue(s).Put(ctx, l.letter(3)) }
	get := func(ctx context.Context, s *scene) error { _, err := queue(s).Get(ctx); return err }
	receive := func(ctx context.Context, s *scene) (err error) { onLease, err = queue(s).Receive(ctx); return err }
	count := func(ctx context.Context, s *scene) error {
		n, err := l.get(ctx, s)
		AddAt(s.Counts, countGot, n)
		return err
	}
	checkRoom := func(check func(p *ordeal)) func(p *ordeal) {
		return func(p *ordeal) {
			check(p)
			l.checkRoom(p)
		}
	}
	feats["Queue.Put"+what] = feat{
		large: large,
		lay:   func(p *ordeal) { l.lay(p, 4, 1, 2) },
		do:    put,
		check: checkRoom(l.checkPut),
	}
	feats["Queue.Put"+what+" for which a consumer waits"] = feat{
		large: large,
		lay: func(p *ordeal) {
			l.lay(p, 4)
			p.Counts = newly(NewArray[int64](stageCounts))
		},
		do:    put,
		by:    count,
		sleep: func(s *scene) bool { return hasSleeper(queue(s).obj, 136) },
		check: checkRoom(l.checkPutToWaiter),
	}
	feats["Queue.Get"+what] = feat{
		large: large,
		lay:   func(p *ordeal) { l.lay(p, 4, 1, 2, 3) },
		do:    get,
		check: checkRoom(l.checkGet),
	}
	feats["Queue.Get"+what+" for which a producer waits"] = feat{
		large: large,
		lay:   func(p *ordeal) { l.lay(p, 3, 1, 2, 3) },
		do:    get,
		by:    func(ctx context.Context, s *scene) error { return l.put(ctx, s, 4) },
		sleep: func(s *scene) bool { return hasSleeper(queue(s).obj, 264) },
		check: checkRoom(l.checkGetForWaiter),
	}
	feats["Queue.Receive"+what] = feat{
		large: large,
		lay:   func(p *ordeal) { l.layLeased(p, 1, 2, 3) },
		do:    func(ctx context.Context, s *scene) error { _, err := queue(s).Receive(ctx); return err },
		check: checkRoom(func(p *ordeal) { l.checkLeases(p, 0, true) }),
	}
	feats["Queue.Receive"+what+" and Ack"] = feat{
		large: large,
		lay:   func(p *ordeal) { l.layLeased(p, 1, 2, 3) },
		do: func(ctx context.Context, s *scene) error {
			d, err := queue(s).Receive(ctx)
			return then(err, func() error { return d.Ack() })
		},
		check: checkRoom(func(p *ordeal) { l.checkLeases(p, 0, false) }),
	}
	feats["Queue.Receive"+what+" and Nack"] = feat{
		large: large,
		lay:   func(p *ordeal) { l.layLeased(p, 1, 2, 3) },
		do: func(ctx context.Context, s *scene) error {
			d, err := queue(s).Receive(ctx)
			return then(err, func() error { return d.Nack(0) })
		},
		check: checkRoom(func(p *ordeal) { l.checkLeases(p, 0, true) }),
	}
	feats["Delivery.Nack"+what+" for which a consumer waits"] = feat{
		large: large,
		lay: func(p *ordeal) {
			l.layLeased(p, 3)
			p.Counts = newly(NewArray[int64](stageCounts))
		},
		ready: receive,
		do:    func(context.Context, *scene) error { return onLease.Nack(0) },
		by:    count,
		sleep: func(s *scene) bool { return hasSleeper(queue(s).obj, 136) },
		check: checkRoom(func(p *ordeal) {
			p.awaitWitness() // in either case it comes back
			require.EqualValues(p, 3, p.Counts.At(countGot))
		}),
	}
	feats["Delivery.Ack"+what+" for which a Join waits"] = feat{
		large: large,
		lay:   func(p *ordeal) { l.layLeased(p, 3) },
		ready: receive,
		do:    func(context.Context, *scene) error { return onLease.Ack() },
		by:    func(ctx context.Context, s *scene) error { return queue(s).Join(ctx) },
		sleep: func(s *scene) bool { return hasSleeper(queue(s).obj, 304) },
		check: checkRoom(l.checkJoin),
	}
	feats["Queue.Receive"+what+" and its last Nack"] = feat{
		large: large,
		lay:   func(p *ordeal) { l.layMortal(p, 1, 2, 3) },
		do: func(ctx context.Context, s *scene) error {
			d, err := queue(s).Receive(ctx)
			return then(err, func() error { return d.Nack(time.Hour) })
		},
		check: checkRoom(func(p *ordeal) { l.checkBurial(p) }),
	}
}

// lay makes a queue with some numbers in it.
func (l lane[T]) lay(p *ordeal, capacity int, numbers ...int64) {
	*l.of(&p.scene) = newly(NewQueue[T](capacity))
	l.puts(p, numbers...)
}

// leased is how many messages of a queue of layLeased may be on lease.
const leased = 2

func (l lane[T]) layLeased(p *ordeal, numbers ...int64) {
	*l.of(&p.scene) = newly(NewQueue[T](4, WithMaxLeases(leased)))
	l.puts(p, numbers...)
}

// layMortal makes a queue whose messages are delivered once.
func (l lane[T]) layMortal(p *ordeal, numbers ...int64) {
	dead := newly(NewQueue[T](4))
	*l.dead(&p.scene) = dead
	*l.of(&p.scene) = newly(NewQueue[T](4, WithMaxLeases(leased), WithMaxAttempts(1, dead)))
	l.puts(p, numbers...)
}

func (l lane[T]) queue(p *ordeal) *Queue[T] { return *l.of(&p.scene) }

func (l lane[T]) puts(p *ordeal, numbers ...int64) {
	for _, n := range numbers {
		require.NoError(p, l.put(p.ctx, &p.scene, n))
	}
}

func (l lane[T]) gets(p *ordeal, numbers ...int64) {
	for _, n := range numbers {
		require.Equal(p, n, l.getsAny(p))
	}
}

func (l lane[T]) getsAny(p *ordeal) int64 {
	n, err := l.get(p.ctx, &p.scene)
	require.NoError(p, err)
	return n
}

// put puts a number, and gives back what it made of it.
func (l lane[T]) put(ctx context.Context, s *scene, n int64) error {
	m := l.letter(n)
	defer freeLetter(m)
	return (*l.of(s)).Put(ctx, m)
}

func (l lane[T]) get(ctx context.Context, s *scene) (int64, error) {
	m, err := (*l.of(s)).Get(ctx)
	if err != nil {
		return 0, err
	}
	return l.read(m), nil
}

// read is the number that a message stands for, which is given back.
func (l lane[T]) read(m T) int64 {
	defer freeLetter(m)
	return l.number(m)
}

// drain gets all that there is.
func (l lane[T]) drain(p *ordeal) (numbers []int64) {
	for {
		m, err := l.queue(p).TryGet()
		if errors.Is(err, ErrEmpty) {
			return numbers
		}
		require.NoError(p, err)
		numbers = append(numbers, l.read(m))
	}
}

// checkPut is for a victim that puts 3 behind 1 and 2.
func (l lane[T]) checkPut(p *ordeal) {
	l.puts(p, 4)
	l.gets(p, 1, 2)
	l.getsRest(p)
}

// getsRest gets 3, which the victim put, and 4 behind it.
func (l lane[T]) getsRest(p *ordeal) {
	if l.getsAny(p) == 3 {
		l.gets(p, 4)
	} else {
		require.False(p, p.over)
	}
}

// checkPutToWaiter is for a victim that puts 3 while the witness waits. What is
// committed reaches the witness without anybody's help.
func (l lane[T]) checkPutToWaiter(p *ordeal) {
	p.awaitDeath()
	eventually(p, func() bool { return p.hasWitnessed() || !p.over && l.queue(p).Len() == 0 }, "a message that arrives")
	if p.reported {
		require.EqualValues(p, 3, p.Counts.At(countGot))
		return
	}
	l.puts(p, 4)
	p.awaitWitness()
	if p.Counts.At(countGot) == 3 {
		l.gets(p, 4)
	}
}

// checkGet is for a victim that gets 1 of 1, 2 and 3.
func (l lane[T]) checkGet(p *ordeal) {
	got := []int64{l.getsAny(p), l.getsAny(p)} // at once
	p.awaitDeath()
	l.requireGot(p, append(got, l.drain(p)...), 2, 3)
}

// requireGot requires all of others, and perhaps 1, which the victim got.
func (l lane[T]) requireGot(p *ordeal, got []int64, others ...int64) {
	slices.Sort(got)
	if !p.over && len(got) > len(others) {
		others = append([]int64{1}, others...)
	}
	require.Equal(p, others, got)
}

// checkGetForWaiter is for a victim that gets 1 of 1, 2 and 3 while the witness waits
// to put 4. A free place reaches the witness without anybody's help.
func (l lane[T]) checkGetForWaiter(p *ordeal) {
	p.awaitDeath()
	if p.over || shm.At[atomic.Uint64](l.queue(p).obj.Bytes(), firstCell).Load() >= firstLap {
		p.awaitWitness()
	}
	got := []int64{l.getsAny(p)} // which makes room
	p.awaitWitness()
	l.requireGot(p, append(got, l.drain(p)...), 2, 3, 4)
}

// From the byte tables of ipc's rings: where the first cell's state is, and what that
// is at least when its first message was consumed.
const (
	firstCell = 640
	firstLap  = 1 << 34
)

// checkLeases is for a victim that receives 1 of 1, 2 and 3. Some others have done so
// before, and died. If the victim has not acknowledged it either, it comes back.
func (l lane[T]) checkLeases(p *ordeal, others int, back bool) {
	p.awaitDeath()
	switch first := l.receivesAll(p); {
	case p.over && back:
		require.Equal(p, others+2, first)
	case p.over:
		require.Zero(p, first)
	case back || first != 0:
		require.Contains(p, []int{others + 1, others + 2}, first)
	}
	l.checkLeasing(p)
}

// checkJoin is for a victim that acknowledges 3 while the witness waits in Join. If it
// did so, the witness needs no help.
func (l lane[T]) checkJoin(p *ordeal) {
	p.awaitDeath()
	eventually(p, func() bool { return p.hasWitnessed() || !p.over && l.queue(p).Len() == 1 }, "the end of a Join")
	if !p.reported {
		l.gets(p, 3)
	}
	p.awaitWitness()
}

// checkBurial is for a victim that receives 1 of 1, 2 and 3 and returns it: then nobody
// else gets it, and it is a dead letter; twice, perhaps, if the victim was killed. It
// returns with which attempt somebody else got it before, 0 if nobody did.
func (l lane[T]) checkBurial(p *ordeal) (first int) {
	p.awaitDeath()
	dead := *l.dead(&p.scene)
	require.True(p, !p.over || dead.Len() == 1, "before anybody looks")
	first = l.receivesAll(p)
	letters := l.deadLetters().drain(p)
	switch {
	case p.over || first == 0:
		require.Zero(p, first)
		require.True(p, len(letters) == 1 || !p.over && len(letters) == 2, "%v", letters)
		require.Equal(p, []int64{1}, slices.Compact(letters))
	default:
		require.Equal(p, 1, first)
		require.Empty(p, letters)
	}
	l.checkLeasing(p)
	return first
}

// deadLetters are the lane of its dead letters.
func (l lane[T]) deadLetters() lane[T] { return lane[T]{of: l.dead, number: l.number} }

// receivesAll receives 2 and 3, which come for the first time, and 1, if it is there.
// It returns which attempt that was.
func (l lane[T]) receivesAll(p *ordeal) (first int) {
	attempts := make(map[int64]int)
	for {
		d, err := l.queue(p).TryReceive()
		if errors.Is(err, ErrEmpty) {
			break
		}
		require.NoError(p, err)
		n := l.read(d.Value)
		require.NotContains(p, attempts, n)
		attempts[n] = d.Attempt
		require.NoError(p, d.Ack())
	}
	first = attempts[1]
	delete(attempts, 1)
	require.Equal(p, map[int64]int{2: 1, 3: 1}, attempts)
	return first
}

// checkLeasing has as many messages on lease as may be.
func (l lane[T]) checkLeasing(p *ordeal) {
	l.puts(p, upTo[int64](leased)...)
	var on []*Delivery[T]
	for range leased {
		d, err := l.queue(p).TryReceive()
		require.NoError(p, err)
		on = append(on, d)
	}
	for _, d := range on {
		freeLetter(d.Value)
		require.NoError(p, d.Ack())
	}
}

// checkRoom requires an empty queue with all its places.
func (l lane[T]) checkRoom(p *ordeal) {
	require.Empty(p, l.drain(p))
	all := upTo(int64(l.queue(p).Cap()))
	for _, n := range all {
		require.NoError(p, l.tryPut(p, n))
	}
	require.ErrorIs(p, l.tryPut(p, 5), ErrFull)
	l.gets(p, all...)
}

func (l lane[T]) tryPut(p *ordeal, n int64) error {
	m := l.letter(n)
	defer freeLetter(m)
	return l.queue(p).TryPut(m)
}

// checkGrowth requires an empty queue that goes on growing.
func (l lane[T]) checkGrowth(p *ordeal) {
	require.Empty(p, l.drain(p))
	more := upTo[int64](5 * firstSegment)
	l.puts(p, more...)
	l.gets(p, more...)
}

// hasSleeper reports whether somebody waits at a ring's doorbell, as the byte table of
// ipc.Ring has it.
func hasSleeper(ring *shm.Object, doorbell int) bool {
	s := shm.At[atomic.Uint64](ring.Bytes(), doorbell+8).Load()
	return uint32(s>>32) != uint32(s)
}
