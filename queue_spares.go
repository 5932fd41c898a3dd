package mp

import (
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// Spares are the blocks of long messages that were read, for the next ones to lie
// in: to make a large block costs several times what it costs to fill it. They lie
// in a ring of their own, an annex of the queue, in which each is enclosed as a
// message is; so no death loses one or keeps one.
type spares struct {
	ring  *ipc.Ring
	annex *shm.Object
}

const (
	maxSpares = 16       // of a queue: one with room for 8 messages uses 10 in turns
	minSpare  = 16 << 10 // smaller ones are as quickly made
	maxSpare  = 64 << 20 // larger ones are too much to keep

	bigSpare     = 32 << 20
	maxBigSpares = 8
)

// spareable reports whether blocks with room for n bytes are kept.
func spareable(n int) bool { return n >= minSpare && n <= maxSpare }

// keepsMore reports whether a queue that has so many spares keeps another one, with room for n
// bytes.
func keepsMore(have, n int) bool {
	return have < maxBigSpares || have < maxSpares && n <= bigSpare
}

func init() {
	shm.OnPending(kindSpares, func(a *shm.Arena, mem []byte, stamp uint64) bool {
		return ipc.Pending(a, ipc.Aligned(mem[min(shm.KeeperHeader, len(mem)):]), func(uint64) []byte { return nil }, stamp)
	})
}

// openSpares is this process's view of the spares, or nil if there are none.
func (v *queueView[T]) openSpares() *spares {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.spares == nil {
		v.spares = v.viewSpares()
	}
	return v.spares
}

// laySpares makes a place for spares, if there is none.
func (v *queueView[T]) laySpares() {
	note := v.Note(noteSpares)
	n, err := ipc.RingSize(maxSpares, shm.RefSize)
	if note.Load() != 0 || err != nil {
		return
	}
	o, mem, err := annex(v.obj, kindSpares, nil, n)
	if err != nil {
		return // then there are none
	}
	defer o.Close()
	if ipc.InitRing(mem, maxSpares, shm.RefSize) == nil {
		note.CompareAndSwap(0, o.Ref().Word())
	}
}

func (v *queueView[T]) viewSpares() *spares {
	name := v.Note(noteSpares).Load()
	if name == 0 {
		return nil
	}
	o, mem, err := openAnnex(v.obj, kindSpares, name)
	if err != nil {
		return nil
	}
	ring, err := ipc.OpenRing(o.Arena(), mem)
	if err != nil {
		o.Close()
		return nil
	}
	return &spares{ring, o}
}

func (s *spares) close() {
	s.ring.Detach()
	s.annex.Close()
}

// parcel is a block for a message of n bytes, and its room.
func (v *queueView[T]) parcel(n int) (*shm.Object, []byte, error) {
	if spareable(n) {
		if p := v.spare(n); p != nil {
			room, err := p.Payload()
			return p, room, err
		}
	}
	return newParcel(v.obj.Arena(), nil, n)
}

// spare is a spare for n bytes, or nil.
func (v *queueView[T]) spare(n int) *shm.Object {
	if !v.obj.Hold() { // another goroutine has just freed it
		return nil
	}
	defer v.obj.Close()
	s := v.openSpares()
	if s == nil {
		return nil
	}
	return s.take(n)
}

// take finds a spare for n bytes. It drops those that are too small: messages have
// become longer.
func (s *spares) take(n int) *shm.Object {
	for {
		cell, err := s.ring.TryTake()
		if err != nil {
			return nil
		}
		var r shm.Ref
		var p *shm.Object
		b, err := cell.Bytes()
		if err == nil && r.UnmarshalBinary(b) == nil {
			p, err = s.annex.Arena().Open(r, shm.KindParcel, 0)
		}
		cell.Release()
		if p == nil || err != nil {
			continue
		}
		if p.Refill(n) == nil {
			return p
		}
		p.Close()
	}
}

// letGo ends the use of a message's block, which may be nil. The caller holds the queue.
func (v *queueView[T]) letGo(parcel *shm.Object) {
	if parcel == nil {
		return
	}
	if n := parcel.Room(); spareable(n) {
		v.laySpares()
		if s := v.openSpares(); s != nil && s.put(parcel, n) {
			return
		}
	}
	parcel.Close()
}

// put keeps a block with room for n bytes, if there is a place for it. Of several processes that
// do so at a time each may find the last place of the biggest.
func (s *spares) put(parcel *shm.Object, n int) bool {
	if !keepsMore(s.ring.Len(), n) {
		return false
	}
	cell, err := s.ring.TryClaim()
	if err != nil {
		return false
	}
	cell.Commit(enclose(parcel, s.annex, cell))
	return true
}
