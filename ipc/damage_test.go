package ipc

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
	"github.com/mpgo/mp/shm"
)

// A suspicious mate takes everybody for dead whom it does not know, as processes
// do.
type suspicious struct{ *mate }

func (s suspicious) Alive(i shm.Incarnation) bool {
	known := i.Valid() && uint32(i)>>8 <= 1+s.next/shm.MaxProcesses && uint32(i.Slot()) <= s.next
	return known && s.mate.Alive(i)
}

// over is a context that ended before it began: what gets it does not wait.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// A scriptedRing is a ring, with all that belongs to it, under a script.
type scriptedRing struct {
	*testkit.Vandal
	world *world
	land  deed
	table []byte

	mate    suspicious
	ring    *Ring
	claimed []Claimed
	batches [][]Claimed
	taken   []Taken
	leases  []Lease
}

func FuzzRing(f *testing.F) {
	for _, script := range []string{
		"\x00\x03\x00", "\x01\x01\x02\x02", "\x02\x02\x01",
		"\x03\x04\x00\x00\x00\x00\x01\x01\x01\x01",
		"\x03\x04\x00\x05a\x00\x05a\x02\x04\x03\x02\x05\x02\x03\x0a\x0a\x0b\x0b",
		"\x06\x01\x00\x05a\x02\x08\x09\x02\x02\x06\x00\x20\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02",
		"\x07\x01\x00\x05\x00\x05\x00\x05\x00\x05\x00\x05\x07\x00\x00\x05\x00\x02\x01\x01\x01\x01\x01\x01",
		"\x07\x01\x00\x05\x00\x05\x00\x05\x06\x00\x04\x00\x00\x01\x01\x00\x09\x09\x0d\x0d\x0e\x0e\x02\x02",
	} {
		f.Add([]byte(script))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newDamagedRing(testkit.NewVandal(t, script))
		for !r.Done() {
			r.step()
		}
		r.ring.Detach()
	})
}

const damagedInline = 40

// newDamagedRing makes the ring that the script wants.
func newDamagedRing(d *testkit.Vandal) *scriptedRing {
	kind := d.Next(8)
	capacity := 1 + d.Next(2*groupSize)
	lay := InitRing
	if kind >= 4 {
		capacity, lay = 1<<(capacity%3), InitGrowingRing
	}
	mem := ringMemory(d, capacity, damagedInline)
	require.NoError(d, lay(mem, capacity, damagedInline))
	r := &scriptedRing{Vandal: d, world: newWorld(d), table: leaseMemory(d, 3, damagedInline, kind%4)}
	r.land = deed{&ground{main: mem, last: 1, plots: make(map[uint64]*plot)}}
	require.True(d, r.open())
	r.ring.SetLeaseTable(1)
	return r
}

// open begins a new process, if the ring's memory still lets it.
func (r *scriptedRing) open() bool {
	m := suspicious{r.world.mate()}
	var ring *Ring
	var err error
	if Grows(r.land.main) {
		ring, err = OpenGrowingRing(m, r.land.main, r.land)
	} else {
		ring, err = OpenRing(m, r.land.main)
	}
	if err != nil {
		return false
	}
	ring.Leases(func(name uint64) ([]byte, error) {
		if name != 1 {
			return nil, shm.ErrClosed
		}
		return r.table, nil
	})
	r.mate, r.ring = m, ring
	return true
}

// step does what the script says next.
func (r *scriptedRing) step() {
	switch r.Next(20) {
	case 0:
		_ = r.ring.TryPut(make([]byte, r.Next(damagedInline+2)))
	case 1:
		if b, err := r.ring.TryGet(nil); err == nil {
			require.LessOrEqual(r, len(b), damagedInline)
		}
	case 2:
		if l, err := r.ring.TryReceive(); err == nil {
			_, _, _ = l.Attempt(), l.Exhausted(), r.read(l.Bytes())
			r.leases = append(r.leases, l)
		}
	case 3:
		for _, l := range r.leases {
			_ = l.Ack()
		}
		r.leases = nil
	case 4:
		for _, l := range r.leases {
			_ = l.Nack(time.Duration(r.Next(2)))
		}
	case 5:
		r.Damage(r.land.main)
	case 6:
		r.Damage(r.table)
	case 7:
		r.Damage(r.land.peek(2 + uint64(r.Next(4))))
	case 8: // another process, beside this one
		r.open()
		r.claimed, r.batches, r.taken, r.leases = nil, nil, nil, nil
	case 9:
		r.mate.die()
		if r.open() {
			r.claimed, r.batches, r.taken, r.leases = nil, nil, nil, nil
		}
	case 10:
		if c, err := r.ring.TryClaim(); err == nil {
			r.claimed = append(r.claimed, c)
		}
	case 11:
		var claims [groupSize + 2]Claimed
		n, _ := r.ring.TryClaimBatch(claims[:])
		r.batches = append(r.batches, slices.Clone(claims[:n]))
	case 12:
		r.commit()
	case 13:
		if t, err := r.ring.TryTake(); err == nil {
			_, _ = t.Attempt(), r.read(t.Bytes())
			r.taken = append(r.taken, t)
		}
	case 14:
		var taken [groupSize + 2]Taken
		n, _ := r.ring.TryTakeBatch(taken[:])
		r.taken = append(r.taken, taken[:n]...)
	case 15:
		ReleaseBatch(r.taken)
		r.taken = nil
	case 16:
		_ = Pending(r.mate, r.land.main, r.peek, r.Word(8))
		_, _ = Names(r.land.main)
		_ = InChain(r.land.main, r.land.peek, func(uint64) bool { return false })
	case 17:
		var look census
		_, _ = look.idle(r.ring)
		_, _, _ = r.ring.Len(), r.ring.Cap(), r.ring.String()
	case 18:
		_ = r.ring.Close()
	default:
		_ = r.ring.Note(r.Next(2)).Load()
		r.quickly()
	}
}

// quickly puts or gets in one of the quick ways.
func (r *scriptedRing) quickly() {
	n := r.Next(damagedInline + 2)
	switch r.Next(4) {
	case 0:
		_ = putQuickly(r.ring, anytime, make([]byte, n))
	case 1:
		if _, odd := getQuickly(r.ring, anytime, make([]byte, n)); odd != nil {
			_ = r.read(odd.Bytes())
			r.taken = append(r.taken, *odd)
		}
	case 2:
		_ = r.ring.PutManyQuick(make([]byte, (2*groupSize+1)*n), n)
	default:
		_, odd := r.ring.GetManyQuick(make([]byte, (2*groupSize+1)*n), n, true)
		for _, t := range odd {
			_ = r.read(t.Bytes())
		}
		r.taken = append(r.taken, odd...)
	}
}

// read checks the message of a cell, or of a lease.
func (r *scriptedRing) read(b []byte, err error) error {
	require.LessOrEqual(r, len(b), damagedInline)
	return err
}

// commit ends what was claimed.
func (r *scriptedRing) commit() {
	for i, c := range r.claimed {
		if i%2 == 0 {
			c.Commit(copy(c.Bytes(), "committed"))
		} else {
			c.Abort()
		}
	}
	for _, batch := range r.batches {
		for _, c := range batch {
			c.Fill(r.Next(damagedInline + 1))
		}
		CommitBatch(batch, r.Next(len(batch)+1))
	}
	r.claimed, r.batches = nil, nil
}

func (r *scriptedRing) peek(name uint64) []byte {
	if name == 1 {
		return r.table
	}
	return r.land.peek(name)
}

// A scriptedStream is a stream under a script.
type scriptedStream struct {
	*testkit.Vandal
	world *world
	mem   []byte

	writer, reader suspicious
	w              *StreamWriter // or nil
	r              *StreamReader // or nil
	taken          bool
}

func FuzzStream(f *testing.F) {
	for _, script := range []string{
		"\x00\x00\x05\x01", "\x01\x00\x10\x02\x03\x00\x10\x02\x03", "\x02\x00\x05\x00\x05\x01\x01\x01",
		"\x00\x00\x05\x06\x10\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"\x00\x00\x05\x06\x50\x00\x01\x04\x02\x03\x07\x08\x09\x00\x05\x0a\x0b\x02",
		"\x01\x06\x00\x00\x03\x05\x0a\x0b\x0c\x0d\x0e\x0f",
	} {
		f.Add([]byte(script))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		d := testkit.NewVandal(t, script)
		s := &scriptedStream{Vandal: d, world: newWorld(d)}
		fixed := []int{-1, 16, 24}[s.Next(3)]
		s.mem = ringsOf(128, 64, fixed, -uint64(64*s.Next(2)))
		s.openWriter()
		s.openReader()
		for !s.Done() {
			s.step()
		}
	})
}

func (s *scriptedStream) openWriter() {
	s.writer = suspicious{s.world.mate()}
	s.w, _ = OpenWriter(s.writer, s.mem)
}

func (s *scriptedStream) openReader() {
	s.reader, s.taken = suspicious{s.world.mate()}, false
	s.r, _ = OpenReader(s.reader, s.mem)
}

// step does what the script says next.
func (s *scriptedStream) step() {
	switch s.Next(16) {
	case 6:
		s.Damage(s.mem[:streamHeader+64])
	case 7:
		s.writer.die()
		s.openWriter()
	case 8:
		s.reader.die()
		s.openReader()
	case 9:
		_ = StreamPending(s.reader, s.mem, s.Word(8))
	case 10:
		_ = LoseWriter(s.mem)
	case 11:
		_ = LoseReader(s.mem)
	case 12:
		s.openWriter() // beside another
	case 13:
		s.openReader()
	default:
		s.useWriter(s.Next(6))
		s.useReader(s.Next(6))
	}
}

func (s *scriptedStream) useWriter(how int) {
	if s.w == nil {
		return
	}
	switch n := s.Next(70); how {
	case 0:
		_ = s.w.TryPut(make([]byte, n))
	case 1:
		if b, err := s.w.TryClaim(n); err == nil {
			_ = s.w.Stamp()
			if s.w.m.fixed < 0 {
				s.w.CommitTagged(min(len(b), s.Next(70)), uint8(n))
			} else {
				s.w.Commit(n)
			}
		}
	case 2:
		_, _ = s.w.Put(over, make([]byte, n)), s.w.MaxRecord()
	case 3:
		s.w.HandOver()
		s.w = nil
	case 4:
		_ = s.w.Close()
	default:
		_ = newPusher(s.w, n).push(atOnce, make([]byte, n))
	}
}

func (s *scriptedStream) useReader(how int) {
	if s.r == nil {
		return
	}
	switch how {
	case 0:
		if b, err := s.r.TryGet(nil); err == nil {
			require.LessOrEqual(s, len(b), 128)
		}
		s.taken = false
	case 1:
		b, err := s.r.TryTake()
		if s.taken = err == nil; s.taken {
			require.LessOrEqual(s, len(b), 128)
			_ = s.r.Tag()
		}
	case 2:
		if s.taken {
			s.r.Release()
			s.taken = false
		}
	case 3:
		_ = s.r.Ready()
		s.r.HandOver()
		s.r = nil
	case 4:
		_ = s.r.Close()
		s.taken = false
	default:
		msg := make([]byte, 16+8*s.Next(2))
		_ = newPuller(s.r, len(msg)).tryPull(msg)
	}
}

// A scriptedSet has one of each lock and of what is like one, under a script.
type scriptedSet struct {
	*testkit.Vandal
	world *world
	mem   map[string][]byte
	mate  suspicious

	mutex, quiet *Mutex
	rw           *RWMutex
	holder       *Holder
	once         *Once
	event        *Event
	cond         *Cond
	barrier      *Barrier
	sem          *Semaphore
	bounded      *BoundedSemaphore // or nil
	cell         *Cell
	claims       *Claims
}

// damagedSizes are those of the objects' memories.
var damagedSizes = map[string]int{
	"mutex": MutexSize, "quiet": MutexSize, "rlock": MutexSize, "once": 2 * MutexSize, "event": 8, "semaphore": SemaphoreSize,
	"rw": RWMutexSize, "cond": CondSize, "barrier": BarrierSize, "bounded": 24, "cell": CellSize(20), "claims": 8,
}

// damagedNames are the objects, in an order that scripts can rely on.
var damagedNames = []string{
	"mutex", "quiet", "rlock", "once", "event", "semaphore", "rw", "cond", "barrier", "bounded", "cell", "claims",
}

func FuzzLocks(f *testing.F) {
	for i := range damagedNames {
		name := byte(i)
		f.Add([]byte{2 + name, 2 + name, 0, name, 1, 0, 0, 0, 2 + name, 2 + name, 1})
		f.Add([]byte{2 + name, 0, name, 0, 0, 0, 5, 1, 2, 3, 4, 5, 6, 2 + name, 1, 2 + name})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		d := testkit.NewVandal(t, script)
		s := &scriptedSet{Vandal: d, world: newWorld(d), mem: make(map[string][]byte)}
		for name, size := range damagedSizes {
			s.mem[name] = alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
		}
		require.NoError(t, InitSemaphore(shm.At[SemaphoreState](s.mem["semaphore"], 0), 1))
		require.NoError(t, InitBarrier(shm.At[BarrierState](s.mem["barrier"], 0), 1))
		require.NoError(t, InitBoundedSemaphore(s.mem["bounded"], 2))
		shm.At[Claims](s.mem["claims"], 0).Reopen(0)
		s.join()
		for !s.Done() {
			s.step()
		}
	})
}

// join makes a new process's views.
func (s *scriptedSet) join() {
	s.mate = suspicious{s.world.mate()}
	s.mutex = NewMutex(s.mate, shm.At[MutexState](s.mem["mutex"], 0))
	s.quiet = NewMutex(s.mate, shm.At[MutexState](s.mem["quiet"], 0), IgnoreOwnerDeath())
	s.rw = NewRWMutex(s.mate, shm.At[RWMutexState](s.mem["rw"], 0))
	s.holder = NewRLock(s.mate, shm.At[MutexState](s.mem["rlock"], 0)).Holder()
	s.once = NewOnce(s.mate, shm.At[OnceState](s.mem["once"], 0))
	s.event = NewEvent(s.mate, shm.At[EventState](s.mem["event"], 0))
	s.cond = NewCond(s.mate, shm.At[CondState](s.mem["cond"], 0), s.mutex)
	s.barrier = NewBarrier(s.mate, shm.At[BarrierState](s.mem["barrier"], 0), nil)
	s.sem = NewSemaphore(s.mate, shm.At[SemaphoreState](s.mem["semaphore"], 0))
	s.bounded, _ = OpenBoundedSemaphore(s.mate, s.mem["bounded"])
	s.cell = NewCell(s.mate, s.mem["cell"], 20)
	s.claims = shm.At[Claims](s.mem["claims"], 0)
}

// step does what the script says next.
func (s *scriptedSet) step() {
	switch op := s.Next(2 + len(damagedNames)); op {
	case 0:
		s.Damage(s.mem[damagedNames[s.Next(len(damagedNames))]])
	case 1:
		if s.Next(2) == 0 {
			s.mate.die()
		}
		s.join()
	default:
		s.use(damagedNames[op-2], s.Next(2) == 0)
	}
}

func nothing() error { return nil }

// use does everything with an object that does not wait: to take it, or to give it
// back.
func (s *scriptedSet) use(name string, take bool) {
	switch name {
	case "mutex", "quiet":
		m := map[string]*Mutex{"mutex": s.mutex, "quiet": s.quiet}[name]
		_, _ = m.TryLock()
		_, _ = m.String(), m.Owner()
		if !take {
			_, _ = m.Recover(over, nothing), m.Unlock()
		}
	case "rlock":
		_, _ = s.holder.TryLock()
		if !take {
			_, _ = s.holder.Count(), s.holder.Unlock()
		}
	case "once":
		_, _ = s.once.Do(over, nothing), s.once.String()
	case "event":
		_, _ = s.event.Wait(over), s.event.String()
		if take {
			_ = s.event.Set()
		} else {
			_ = s.event.Clear()
		}
	case "semaphore":
		_, _ = s.sem.TryAcquire()
		_, _ = s.sem.Value(), s.sem.String()
		if !take {
			_ = s.sem.Release(1 + s.Next(3))
		}
	case "rw":
		s.useRW(take)
	case "cond":
		_, _ = s.mutex.TryLock()
		_, _ = s.cond.Waiting(), s.cond.String()
		_, _, _ = s.cond.Notify(s.Next(5)), s.cond.NotifyAll(), s.cond.Wait(over)
	case "barrier":
		s.useBarrier(take)
	case "bounded":
		s.useBounded(take)
	case "cell":
		var buf [20]byte
		s.cell.Load(buf[:])
		_, _ = s.cell.Replace(over, buf[:], nothing), s.cell.String()
	case "claims":
		_, _, _ = s.claims.Claim(uint32(s.Next(4))), s.claims.TakeBack(uint32(s.Next(4))), s.claims.Next()
	}
}

func (s *scriptedSet) useRW(take bool) {
	_, _ = s.rw.Readers(), s.rw.String()
	if take {
		_, _ = s.rw.TryRLock()
		_, _ = s.rw.TryLock()
		return
	}
	_, _, _ = s.rw.RUnlock(), s.rw.Unlock(), s.rw.Recover(over, nothing)
}

func (s *scriptedSet) useBarrier(take bool) {
	_, _, _ = s.barrier.Waiting(), s.barrier.Parties(), s.barrier.String()
	if take {
		_, _ = s.barrier.Wait(over)
		return
	}
	if s.Next(2) == 0 {
		_ = s.barrier.Abort()
	}
	_ = s.barrier.Reset()
}

func (s *scriptedSet) useBounded(take bool) {
	if s.bounded == nil {
		return
	}
	_, _, _ = s.bounded.Value(), s.bounded.Limit(), s.bounded.String()
	_, _ = s.bounded.TryAcquire()
	if !take {
		_ = s.bounded.Release()
		_ = s.bounded.Close()
	}
}
