package mp

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// What a hostile process can do to this one: it writes anything into objects and
// messages. Each use must end, with an error or with something.

// over is a context that ended before it began: what gets it does not wait.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// A specimen is one kind of object, whose block a script damages between two times
// that a process opens it.
type specimen interface {
	freer
	MarshalCBOR() ([]byte, error)
	UnmarshalCBOR([]byte) error
	WireRef() (shm.Ref, error)
}

// A species makes specimens and uses them.
type species struct {
	fresh func() (specimen, error)            // with something in it
	empty func() specimen                     // a handle of nothing
	block func(specimen) []*shm.Object        // its memory
	use   func(v *testkit.Vandal, s specimen) // in any way that does not wait
}

// speciesOf says how the type H is made and used.
func speciesOf[H any, P interface {
	*H
	specimen
}](fresh func() (P, error), block func(P) []*shm.Object, use func(v *testkit.Vandal, h P)) species {
	return species{
		fresh: func() (specimen, error) { return fresh() },
		empty: func() specimen { return P(new(H)) },
		block: func(s specimen) []*shm.Object { return block(s.(P)) },
		use:   func(v *testkit.Vandal, s specimen) { use(v, s.(P)) },
	}
}

// The order is part of what scripts say.
var allSpecies = []species{
	speciesOf(func() (*Mutex, error) { return NewMutex() },
		func(m *Mutex) []*shm.Object { return []*shm.Object{m.obj} },
		func(v *testkit.Vandal, m *Mutex) {
			_, _ = m.TryLock()
			_, _ = m.Owner()
			_, _ = m.Recover(over, nothing), m.String()
			if v.Next(2) == 0 {
				_ = m.Unlock()
			}
		}),
	speciesOf(NewRWMutex,
		func(l *RWMutex) []*shm.Object { return []*shm.Object{l.obj} },
		func(v *testkit.Vandal, l *RWMutex) {
			_, _ = l.TryRLock()
			_, _ = l.TryLock()
			_, _ = l.Readers(), l.String()
			if v.Next(2) == 0 {
				_, _ = l.Unlock(), l.RUnlock()
			}
		}),
	speciesOf(func() (*Semaphore, error) { return NewSemaphore(1) },
		func(s *Semaphore) []*shm.Object { return []*shm.Object{s.obj} },
		func(v *testkit.Vandal, s *Semaphore) {
			_, _ = s.TryAcquire()
			_, _ = s.Release(1+v.Next(3)), s.Value()
		}),
	speciesOf(func() (*BoundedSemaphore, error) { return NewBoundedSemaphore(3) },
		func(s *BoundedSemaphore) []*shm.Object { return []*shm.Object{s.obj} },
		func(v *testkit.Vandal, s *BoundedSemaphore) {
			_, _ = s.TryAcquire()
			_, _, _ = s.Value(), s.Limit(), s.String()
			if v.Next(2) == 0 {
				_ = s.Release()
			}
		}),
	speciesOf(newCond,
		func(c *Cond) []*shm.Object { return []*shm.Object{c.obj} },
		func(v *testkit.Vandal, c *Cond) {
			_, _ = c.Mutex().TryLock()
			_, _, _ = c.Notify(v.Next(3)), c.NotifyAll(), c.Wait(over)
			_, _, _ = c.Waiting(), c.String(), c.Mutex().Unlock()
		}),
	speciesOf(func() (*Barrier, error) { return NewBarrier(1) },
		func(b *Barrier) []*shm.Object { return []*shm.Object{b.obj} },
		func(v *testkit.Vandal, b *Barrier) {
			_, _ = b.Wait(over)
			_, _, _ = b.Waiting(), b.Parties(), b.String()
			if v.Next(2) == 0 {
				_ = b.Reset()
			}
		}),
	speciesOf(NewOnce,
		func(o *Once) []*shm.Object { return []*shm.Object{o.obj} },
		func(_ *testkit.Vandal, o *Once) { _, _ = o.Do(over, nothing), o.String() }),
	speciesOf(func() (*Value[bool], error) { return NewValue(true) },
		func(x *Value[bool]) []*shm.Object { return []*shm.Object{x.obj} },
		func(_ *testkit.Vandal, x *Value[bool]) {
			_, _ = x.CompareAndSwap(x.Load(), false)
			_, _ = x.Update(over, func(b *bool) { *b = true }), x.String()
		}),
	speciesOf(func() (*Value[ledger], error) { return NewValue(ledger{}) },
		func(x *Value[ledger]) []*shm.Object { return []*shm.Object{x.obj} },
		func(_ *testkit.Vandal, x *Value[ledger]) { _, _ = x.Update(over, (*ledger).book), x.Load() }),
	speciesOf(func() (*Array[int16], error) { return NewArray[int16](10) },
		func(a *Array[int16]) []*shm.Object { return []*shm.Object{a.obj} },
		func(_ *testkit.Vandal, a *Array[int16]) {
			for i := range min(a.Len(), 100) {
				a.Set(i, a.At(i)+AddAt(a, i, 1))
			}
			_, _ = a.Update(over, func([]int16) {}), a.String()
		}),
	speciesOf(newSpecimenQueue, blocksOfQueue, useQueue),
	speciesOf(func() (*Queue[int64], error) {
		q, err := NewQueue[int64](0)
		for i := 0; i < 100 && err == nil; i++ { // in two segments
			err = q.TryPut(int64(i))
		}
		return q, err
	}, blocksOfQueue, useQueueOfNumbers),
	speciesOf(func() (*connSpecimen[int64], error) { return newConnSpecimen[int64](5) }, (*connSpecimen[int64]).blocks, useConn),
	speciesOf(func() (*connSpecimen[[]byte], error) { return newConnSpecimen([]byte("five")) },
		(*connSpecimen[[]byte]).blocks, useConnOfBytes),
}

func FuzzObjects(f *testing.F) {
	for i := range allSpecies {
		f.Add([]byte{byte(i), 3, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 2, 0, 1, 7, 2, 2, 2})
		f.Add([]byte{byte(i), 1, 1, 8, 0, 3, 255, 2, 2, 1, 0, 16, 0, 1, 63, 2, 2, 2, 2, 2, 2})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		v := testkit.NewVandal(t, script)
		of := allSpecies[v.Next(len(allSpecies))]
		s, err := of.fresh()
		require.NoError(t, err)
		blocks := of.block(s)
		name, keep := relinquish(t, s)
		defer keep.Close()
		for range v.Next(4) {
			v.Damage(blocks[v.Next(len(blocks))].Bytes())
		}
		if s = of.empty(); s.UnmarshalCBOR(name) != nil {
			return
		}
		for !v.Done() {
			if v.Next(3) == 1 {
				v.Damage(blocks[v.Next(len(blocks))].Bytes())
			} else {
				of.use(v, s)
			}
		}
		_ = s.Free()
	})
}

// relinquish gives a handle up, so that this process has no view of the object any
// more. The object lives until the parcel is closed.
func relinquish(t *testing.T, s specimen) (name []byte, keep *shm.Object) {
	a, err := arena()
	require.NoError(t, err)
	name, err = s.MarshalCBOR()
	require.NoError(t, err)
	r, err := s.WireRef()
	require.NoError(t, err)
	keep, err = a.NewParcel([]shm.Ref{r}, 0)
	require.NoError(t, err)
	require.NoError(t, s.Free())
	return name, keep
}

// newSpecimenQueue has messages in cells, in blocks of their own, on lease, and
// spares; and dead letters go round to a queue of its kind.
func newSpecimenQueue() (*Queue[[]byte], error) {
	dead, err := NewQueue[[]byte](2)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dead.Free() }()
	q, err := NewQueue[[]byte](5, WithInline(40), WithMaxAttempts(2, dead), WithMaxLeases(3))
	for _, n := range []int{minSpare, 10, 10, 1000, 10, 2 * minSpare} {
		if err == nil {
			err = q.TryPut(make([]byte, n))
		}
		if err == nil && n == minSpare {
			_, err = q.TryGet()
		}
	}
	if err != nil {
		return nil, err
	}
	d, err := q.TryReceive()
	if err == nil {
		err = d.Nack(0)
	}
	return q, err
}

// blocksOfQueue are those of the queue and of its annexes.
func blocksOfQueue[T any](q *Queue[T]) []*shm.Object {
	all := []*shm.Object{q.obj}
	if q.view.leases != nil {
		all = append(all, q.view.leases)
	}
	if q.view.spares != nil {
		all = append(all, q.view.spares.annex)
	}
	for _, opened := range q.view.segments.opened {
		all = append(all, opened[0])
	}
	return all
}

func useQueue(v *testkit.Vandal, q *Queue[[]byte]) {
	switch v.Next(6) {
	case 0:
		_ = q.TryPut(make([]byte, []int{0, 20, 100, minSpare}[v.Next(4)]))
	case 1:
		if b, err := TryBorrow(q); err == nil {
			_ = len(b.Slice())
			b.Release()
		}
	case 2:
		if l, err := Loan(q, 100*v.Next(200)); err == nil && l.TryPublish() != nil {
			l.Discard()
		}
	default:
		useAnyQueue(v, q)
	}
}

func useQueueOfNumbers(v *testkit.Vandal, q *Queue[int64]) {
	if v.Next(2) == 0 {
		_ = q.TryPut(1)
	}
	useAnyQueue(v, q)
}

func useAnyQueue[T any](v *testkit.Vandal, q *Queue[T]) {
	switch v.Next(6) {
	case 0:
		_, _ = q.TryGet()
	case 1, 2:
		if d, err := q.TryReceive(); err == nil && v.Next(2) == 0 {
			_ = d.Ack()
		} else if err == nil {
			_ = d.Nack(0)
		}
	case 3:
		into := make([]T, 3)
		_, _ = q.TryGetBatch(into)
		_, _ = q.PutBatch(over, into)
	case 4:
		_, _, _ = q.Len(), q.Cap(), q.String()
		_ = q.Join(over)
	default:
		if v.Next(4) == 0 {
			_ = q.Close()
		}
	}
}

// A connSpecimen is an end of a pipe with a message in it. It can be in one process
// only, so to give it up is to send it.
type connSpecimen[T any] struct {
	*Conn[T]
	peer *Conn[T]
}

func newConnSpecimen[T any](message T) (*connSpecimen[T], error) {
	a, b, err := NewPipe[T](WithPipeCapacity(128))
	if err != nil {
		return nil, err
	}
	if err := b.TrySend(message); err != nil {
		return nil, err
	}
	return &connSpecimen[T]{a, b}, nil
}

func (c *connSpecimen[T]) blocks() []*shm.Object { return []*shm.Object{c.view.pipe, c.obj} }

func (c *connSpecimen[T]) UnmarshalCBOR(name []byte) error {
	c.Conn = new(Conn[T])
	return c.Conn.UnmarshalCBOR(name)
}

// Free gives the end up. The first one is its sender's.
func (c *connSpecimen[T]) Free() error {
	if c.peer == nil {
		return c.Close()
	}
	_ = c.peer.Close()
	if err := c.leave(); err != nil {
		return err
	}
	c.sent()
	return nil
}

func useConn(v *testkit.Vandal, c *connSpecimen[int64]) {
	_, _ = c.TrySend(1), c.Send(over, 2)
	useAnyConn(v, c.Conn)
}

func useConnOfBytes(v *testkit.Vandal, c *connSpecimen[[]byte]) {
	_ = c.TrySend(make([]byte, v.Next(200)))
	useAnyConn(v, c.Conn)
}

func useAnyConn[T any](v *testkit.Vandal, c *Conn[T]) {
	_, _ = c.TryRecv()
	_, _ = c.Ready(), c.String()
	if v.Next(10) == 0 {
		_ = c.CloseSend()
	}
}

// What lies in a cell of a queue, or in a record of a pipe, may be anything.

func FuzzMessages(f *testing.F) {
	f.Add([]byte{0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{1, 1, 3, messageHere, 'a', 1})
	f.Add([]byte{1, 2, 17, messageParcel, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Add([]byte{2, 3, 18, messageHere, 0xa1, 0x61, 'M', 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14})
	for kind := range byte(3) {
		for ref := range byte(4) { // a Ref to something that there is
			f.Add([]byte{kind, 4 + ref, 0, 4 + ref, 1, 4 + ref, 2, 4 + ref, 3, 4 + ref, 4})
		}
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		v := testkit.NewVandal(t, script)
		switch v.Next(3) {
		case 0:
			receiveAnything[[2]bool](v)
		case 1:
			receiveAnything[[]int32](v)
		default:
			receiveAnything[stowage](v)
		}
	})
}

// A stowage has handles.
type stowage struct {
	M *Mutex
	Q *Queue[stowage]
	C *Conn[[]byte]
	V map[string]*Value[int32]
}

// receiveAnything puts what the script says where messages are, and gets it.
func receiveAnything[T any](v *testkit.Vandal) {
	q, err := NewQueue[T](4, WithInline(100))
	require.NoError(v, err)
	a, b, err := NewPipe[T](WithPipeCapacity(512))
	require.NoError(v, err)
	m, err := NewMutex()
	require.NoError(v, err)
	defer giveBack(v, []freer{q, m})
	defer func() { _, _ = a.Close(), b.Close() }()
	parcel, _, err := newParcel(q.obj.Arena(), []shm.Ref{m.obj.Ref()}, 40)
	require.NoError(v, err)
	defer parcel.Close()
	refs := []shm.Ref{parcel.Ref(), m.obj.Ref(), q.obj.Ref(), a.obj.Ref()}
	for !v.Done() {
		message := hostileMessage(v, refs)
		if payload, err := parcel.Payload(); err == nil && v.Next(2) == 0 {
			copy(payload, message)
		}
		getAnything(v, q, message)
		recvAnything(v, a, b, message)
	}
}

// hostileMessage is what the script says, or names something that there is.
func hostileMessage(v *testkit.Vandal, refs []shm.Ref) []byte {
	how := v.Next(8)
	if how < 4 {
		return v.Bytes(v.Next(101))
	}
	ref, _ := refs[how-4].AppendBinary(nil)
	if v.Next(2) == 0 {
		return append([]byte{messageParcel}, ref...)
	}
	return append([]byte{messageHere, 0xa1, 0x61, "MQC"[v.Next(3)], cborRef}, ref...)
}

func getAnything[T any](v *testkit.Vandal, q *Queue[T], message []byte) {
	cell, err := q.view.TryClaim()
	if err != nil {
		return
	}
	cell.Commit(copy(cell.Bytes(), message))
	switch v.Next(4) {
	case 0:
		_, _ = q.TryGet()
	case 1:
		if d, err := q.TryReceive(); err == nil {
			_ = d.Ack()
		}
	case 2:
		var into [2]T
		_, _ = q.TryGetBatch(into[:])
	default:
		if q, ok := any(q).(*Queue[[]int32]); ok {
			if b, err := TryBorrow(q); err == nil {
				b.Release()
			}
			return
		}
		_, _ = q.TryGet()
	}
}

func recvAnything[T any](v *testkit.Vandal, from, to *Conn[T], message []byte) {
	out := &from.view.out
	w, err := out.enter(atOnce)
	if err != nil {
		return
	}
	if rec, err := w.TryClaim(len(message)); err == nil {
		copy(rec, message)
		if from.view.codec.Fixed() < 0 {
			w.CommitTagged(len(message), uint8(v.Next(3)))
		} else {
			w.Commit(len(message))
		}
	}
	out.leave()
	_, _ = to.TryRecv()
}

// Somebody damages a pipe so that its records are as long as the name of a parcel, and all
// of that length: no record has room to say that it is one.
func TestAParcelInAPipeOfRecordsOfOneLengthIsRefused(t *testing.T) {
	s, err := newConnSpecimen([]byte("five"))
	require.NoError(t, err)
	pipe := s.blocks()[0]
	name, keep := relinquish(t, s)
	defer keep.Close()
	size, err := ipc.StreamSize(128)
	require.NoError(t, err)
	for i := range 2 {
		*shm.At[uint32](pipe.Bytes(), pipeHead+i*pipeStride(size)+fixedLength) = 1 + shm.RefSize
	}
	end := new(Conn[[]byte])
	require.NoError(t, end.UnmarshalCBOR(name))
	require.ErrorIs(t, end.TrySend(make([]byte, 1000)), shm.ErrDamaged)
	require.NoError(t, end.Close())
}

// fixedLength is where a stream says, one too much, how long each of its records is.
const fixedLength = 8

// What crosses before shared memory does, and what is in it then.

func FuzzBirth(f *testing.F) {
	f.Add(byte(0), []byte("17:00112233445566778899aabbccddeeff:00"))
	f.Add(byte(1), []byte{0xa1, 0x64, 'F', 'u', 'n', 'c', 0x61, 'x'})
	f.Add(byte(2), []byte{answerError, 0xa1, 0x65, 'E', 'r', 'r', 'n', 'o', 0x20})
	f.Add(byte(3), []byte{answerPanic})
	f.Add(byte(3), []byte{answerValue, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Add(byte(4), append([]byte{cborRef}, make([]byte, shm.RefSize)...))
	f.Fuzz(func(t *testing.T, what byte, b []byte) {
		switch what % 5 {
		case 0:
			_, _, _, _ = parseMarker(string(b))
		case 1:
			if l, err := letterCodec().Decode(b); err == nil {
				n := newborn{letter: l}
				_, _ = n.Build.check(), n.Depth
				_, _ = lookup(n.Func, n.Type)
			}
		case 2:
			if err := answerErr("f", b); err != nil {
				_ = err.Error()
			}
		case 3:
			if _, err := readAnswer(square.out, "f", b); err != nil {
				_ = err.Error()
			}
		default:
			openAnything(b)
		}
	})
}

// openAnything takes bytes for handles of every kind.
func openAnything(b []byte) {
	for _, of := range allSpecies {
		if s := of.empty(); s.UnmarshalCBOR(b) == nil {
			_ = s.Free()
		}
	}
}

// Requests of a pool that are none, as a worker gets them.

// There is a function with arguments that can be anything.
var _ = Register("test.stows", func(_ context.Context, in stowage) (int, error) {
	return len(in.V), nil
})

func FuzzRequests(f *testing.F) {
	for _, name := range []string{"test.square", "test.stows"} {
		typ := registered(name).typ()
		for _, body := range []string{"\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00", "\x01\x00\x00\x00\xa0", "\xff\xff\xff\xff", ""} {
			for how := range uint16(3) {
				r := request{count: 1, typ: typ, how: how, body: []byte(body)}
				b := make([]byte, r.size(name))
				r.put(b, name)
				f.Add(b, 0)
				f.Add(append(b, body...), len(b)/2)
			}
		}
	}
	f.Fuzz(func(t *testing.T, records []byte, cut int) {
		_, all := linkSize()
		m, err := initLink(make([]byte, all))
		require.NoError(t, err)
		a, err := arena()
		require.NoError(t, err)
		s, err := newServer(t.Context(), a, a.Self(), m)
		require.NoError(t, err)
		w, err := ipc.OpenWriter(a, m.requests)
		require.NoError(t, err)
		r, err := ipc.OpenReader(a, m.answers)
		require.NoError(t, err)
		records = records[:min(len(records), 8<<10)]
		cut = max(0, min(cut, len(records)))
		for _, record := range [][]byte{records[:cut], records[cut:]} {
			require.NoError(t, w.Put(t.Context(), record))
		}
		require.NoError(t, w.Close())
		served := begin(func() error {
			defer func() { _ = s.answers.Close() }()
			return s.serve()
		})
		readAnswers(t, a, r)
		<-served
		s.closeParcel()
	})
}

// readAnswers reads what a worker has answered.
func readAnswers(t *testing.T, a *shm.Arena, r *ipc.StreamReader) {
	for {
		b, err := r.Get(t.Context(), nil)
		if err != nil {
			return
		}
		answer, err := parseReply(b)
		require.NoError(t, err)
		switch answer.how &^ (howReady | howTired) {
		case howParcel:
			parcel, _, err := openParcel(a, answer.content)
			require.NoError(t, err)
			parcel.Close()
		case howBundle:
			require.GreaterOrEqual(t, len(answer.content), slateHeader-slateCount)
		}
	}
}

// Answers of a worker that are none, as a pool gets them.

// A tally is who waits for elements, and counts how often each came.
type tally struct{ came []int }

func (c *tally) take(index int, a arrival) {
	for i := range a.elements() {
		c.came[index+i]++
	}
	a.close()
}

// An idleStaff does nothing, and dies when it is told.
type idleStaff struct{ killed chan struct{} }

func (s idleStaff) cancel(uint32)         {}
func (s idleStaff) cancelAll()            {}
func (s idleStaff) kill()                 {}
func (s idleStaff) gone() <-chan struct{} { return s.killed }
func (s idleStaff) death() error          { return &WorkerDiedError{} }
func (s idleStaff) ending() error         { return s.death() }

func FuzzReplies(f *testing.F) {
	f.Add([]byte{0, 0, 5, 0, 0, 0, 0, howInline, 0, 1, 2, 3})
	f.Add([]byte{0, 0, 6, 0, 0, 0, 0, howReady | howInline, 1, 0, 0, 6, 0, 0, 0, 0, howInline, 1, 0, 0, 6, 1, 0, 0, 0, howInline | howTired, 1})
	f.Add([]byte{0, 0, 21, 0, 0, 0, 0, howParcel, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 4, 0, 1, 2})
	f.Add([]byte{0, 0, 16, 0, 0, 0, 0, howBundle, 1, 0, 0, 0, 1, 2, 0, 0, 0, 1, 2, 0, 0, 5, 2, 0, 0, 0, howBundle})
	f.Add([]byte{3, 1, 0, 0, 2, 1, 4, 0, 5, 1, 2, 3})
	f.Fuzz(func(t *testing.T, script []byte) {
		p := newHostilePool(testkit.NewVandal(t, script))
		p.mu.Lock()
		for !p.Done() {
			p.step()
		}
		p.mu.Unlock()
		p.bury(p.workers[0], &WorkerDiedError{})
		p.mu.Lock()
		p.failAll(ErrPoolClosed)
		p.mu.Unlock()
		p.watchdog.Stop()
		require.Zero(t, p.inflight)
		for i, n := range p.sum.came {
			require.Equal(t, 1, n, "element %d", i)
		}
	})
}

// A hostilePool is a pool whose only worker is a script.
type hostilePool struct {
	*testkit.Vandal
	*poolLedger
	link    *linkMemory
	memory  []byte
	replies *ipc.StreamWriter
	sum     *tally
	job     *job
}

func newHostilePool(v *testkit.Vandal) *hostilePool {
	a, err := arena()
	require.NoError(v, err)
	_, all := linkSize()
	p := &hostilePool{Vandal: v, poolLedger: newLedger(a), memory: make([]byte, all), sum: new(tally)}
	p.link, err = initLink(p.memory)
	require.NoError(v, err)
	w, err := newWorker(p.poolLedger, a, p.link, idleStaff{make(chan struct{})})
	require.NoError(v, err)
	p.replies, err = ipc.OpenWriter(a, p.link.answers)
	require.NoError(v, err)
	p.job = &job{sink: p.sum}
	p.active = true // there is no clerk, and none is needed
	p.mu.Lock()
	p.join(w)
	p.submitSome(3)
	p.mu.Unlock()
	return p
}

// submitSome hands in a task of n elements. mu is held.
func (p *hostilePool) submitSome(n int) {
	t := &task{job: p.job, first: len(p.sum.came), count: n, name: "test.square", body: make([]byte, 8*n), together: n%2 == 1, result: 8 - 9*(n/3%2)}
	p.sum.came = append(p.sum.came, make([]int, n)...)
	require.NoError(p, p.submit(t))
}

// step does what the script says next. mu is held.
func (p *hostilePool) step() {
	w := p.workers[0]
	switch p.Next(6) {
	case 0:
		if record := p.Bytes(p.Next(256)); len(record) <= p.replies.MaxRecord() {
			_ = p.replies.TryPut(record)
		}
		p.collect()
	case 1:
		_ = p.link.claims.Claim(uint32(p.Next(8)))
	case 2:
		p.takeBack(w, uint32(p.Next(4)))
	case 3:
		if p.inflight < 1000 {
			p.submitSome(1 + p.Next(5))
		}
	case 4:
		p.Damage(p.memory[:8]) // the claims
	default:
		p.Damage(p.link.answers)
		p.collect()
	}
	p.dispatch()
}
