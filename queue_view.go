package mp

import (
	"sync"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A queueView is what all handles of a process to a queue share.
//
// Beside the queue's own block there may be annexes: blocks that belong to it and
// live as long as it names them, whoever dies. Its ring names the lease table and
// the segments of a queue that grows; two notes of the ring hold
//
//	0  the limit of a message's encoded size, and 1; 0 for none; written once
//	1  the name of the spares, 0 as long as there are none; written once
type queueView[T any] struct {
	*ipc.Ring
	codec *wire.Codec[T]
	fits  bool        // every message lies in its cell as it is
	raw   bool        // and is the memory of a T
	obj   *shm.Object // the queue's block, which this view is one of

	segments segments
	mu       sync.Mutex  // guards what is opened when it is first needed
	leases   *shm.Object // the lease table, or nil
	dead     *Queue[T]   // where dead letters go, or nil
	spares   *spares     // or nil
}

const (
	noteLimit  = 0
	noteSpares = 1
)

// openQueue is this process's view of the queue in a block.
func openQueue[T any](o *shm.Object, codec *wire.Codec[T]) (*queueView[T], error) {
	v := &queueView[T]{codec: codec, obj: o}
	v.segments = segments{queue: o, opened: make(map[uint64][]*shm.Object)}
	var err error
	if ipc.Grows(o.Bytes()) {
		v.Ring, err = ipc.OpenGrowingRing(o.Arena(), o.Bytes(), &v.segments)
	} else {
		v.Ring, err = ipc.OpenRing(o.Arena(), o.Bytes())
	}
	if err != nil {
		return nil, err
	}
	v.fits = codec.Fixed() >= 0 && codec.Fixed() <= v.Inline()
	v.raw = v.fits && codec.AnyBytes()
	if v.raw {
		v.Plain(codec.Fixed(), v.plainly())
	}
	v.Leases(v.openLeases)
	return v, nil
}

// setUp finishes a new queue.
func (v *queueView[T]) setUp(o queueOptions, kept []shm.Ref) error {
	if o.limited {
		v.Note(noteLimit).Store(uint64(o.limit) + 1)
	}
	if o.dying || o.leasing {
		return v.layLeases(o.leases, o.attempts, kept)
	}
	return nil
}

// Close closes this process's view.
func (v *queueView[T]) Close() error {
	v.Detach()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.spares != nil {
		v.spares.close()
	}
	if v.leases != nil {
		v.leases.Close()
	}
	if v.dead != nil {
		_ = v.dead.Free()
	}
	return nil
}

// annexed marks the stamps of annexes, beside their names; those of positions in
// the ring have a 0 there.
const annexed = 1 << 63

// annex makes a block that belongs to the queue once that names it. The caller
// closes its own hold.
func annex(queue *shm.Object, kind shm.Kind, kept []shm.Ref, n int) (*shm.Object, []byte, error) {
	o, mem, err := newKeeper(queue.Arena(), kind, kept, n+64)
	if err != nil {
		return nil, nil, err
	}
	o.Enclose(queue, o.Ref().Word()|annexed)
	return o, ipc.Aligned(mem), nil
}

// openAnnex opens an annex by its name.
func openAnnex(queue *shm.Object, kind shm.Kind, name uint64) (*shm.Object, []byte, error) {
	a := queue.Arena()
	o, err := a.Open(a.RefOf(name), kind, 0)
	if err != nil {
		return nil, nil, err
	}
	mem, err := o.Payload()
	if err != nil {
		o.Close()
		return nil, nil, err
	}
	return o, ipc.Aligned(mem), nil
}

func init() { shm.OnPending(kindQueue, pendingInQueue) }

// pendingInQueue reports whether a queue still has what is enclosed in it: an
// annex, or what belongs to one of its messages.
func pendingInQueue(a *shm.Arena, mem []byte, stamp uint64) bool {
	peek := func(name uint64) []byte { return ipc.Aligned(a.Peek(a.RefOf(name))) }
	if stamp&annexed == 0 {
		return ipc.Pending(a, mem, peek, stamp)
	}
	named := func(name uint64) bool { return name|annexed == stamp }
	leases, notes := ipc.Names(mem)
	return named(leases) || named(notes[noteSpares]) || ipc.InChain(mem, peek, named)
}

// segments are the annexes that a queue grows by.
type segments struct {
	queue  *shm.Object
	mu     sync.Mutex
	opened map[uint64][]*shm.Object // by name, one for each time it was opened
}

func (s *segments) New(n int) (uint64, []byte, error) {
	o, mem, err := annex(s.queue, kindSegment, nil, n)
	if err != nil {
		return 0, nil, err
	}
	return s.add(o), mem, nil
}

func (s *segments) Open(name uint64) ([]byte, error) {
	o, mem, err := openAnnex(s.queue, kindSegment, name)
	if err != nil {
		return nil, err
	}
	s.add(o)
	return mem, nil
}

func (s *segments) add(o *shm.Object) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := o.Ref().Word()
	s.opened[name] = append(s.opened[name], o)
	return name
}

func (s *segments) Close(name uint64) {
	s.mu.Lock()
	list := s.opened[name]
	o := list[len(list)-1]
	if s.opened[name] = list[:len(list)-1]; len(list) == 1 {
		delete(s.opened, name)
	}
	s.mu.Unlock()
	o.Close()
}
