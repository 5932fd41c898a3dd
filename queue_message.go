package mp

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// In a cell, a message of fixed size lies as it is. Another one has a byte before
// it that says where it is.
const (
	messageHere   = 1
	messageParcel = 2

	leastInline = 1 + shm.RefSize
)

// checkSize refuses messages of more bytes than the queue's maker wanted.
func (v *queueView[T]) checkSize(n int) error {
	if limit := v.limit(); n > limit {
		return fmt.Errorf("a message of %d bytes, and the queue is for %d: %w", n, limit, ErrTooLarge)
	}
	return nil
}

// limit is how many bytes a message may have.
func (v *queueView[T]) limit() int {
	return int(min(v.Note(noteLimit).Load()-1, math.MaxInt)) // 0 is for none
}

// buffers are for messages whose size is known only when they are encoded.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is the largest buffer that is kept.
const maxBuffer = 64 << 10

func (v *queueView[T]) putEncoded(m T, claim func() (ipc.Claimed, error)) error {
	if n := v.codec.Length(&m); n > v.Inline() {
		return v.putLong(m, n, claim)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	b, err := v.codec.Append(append((*buf)[:0], messageHere), m)
	if err != nil {
		return err
	}
	if cap(b) <= maxBuffer {
		*buf = b
	}
	if err := v.checkSize(len(b) - 1); err != nil {
		return err
	}
	if len(b) > v.Inline() || v.codec.HasHandles() {
		return v.putPacked(b[1:], m, claim)
	}
	return v.ship(claim, func(cell ipc.Claimed) (int, error) { return copy(cell.Bytes(), b), nil })
}

// ship claims a cell, which fill fills with so many bytes, and commits it. If another
// goroutine frees the queue meanwhile, that waits; fill must not wait for it.
func (v *queueView[T]) ship(claim func() (ipc.Claimed, error), fill func(ipc.Claimed) (int, error)) error {
	v.Enter()
	defer v.Leave()
	cell, err := claim()
	if err != nil {
		return err
	}
	n, err := fill(cell)
	if err != nil {
		cell.Abort()
		return err
	}
	cell.Commit(n)
	return nil
}

// putLong puts a message of known length, without handles, that is encoded where
// its consumer will read it.
func (v *queueView[T]) putLong(m T, n int, claim func() (ipc.Claimed, error)) error {
	if err := v.checkSize(n); err != nil {
		return err
	}
	parcel, room, err := v.parcel(n)
	if err != nil {
		return err
	}
	if _, err := v.codec.Append(room[:0], m); err != nil {
		parcel.Close()
		return err
	}
	return v.putParcel(parcel, claim)
}

// putPacked puts an encoded message with its handles.
func (v *queueView[T]) putPacked(b []byte, m T, claim func() (ipc.Claimed, error)) error {
	var handles []wire.Handle
	if v.codec.HasHandles() {
		handles = v.codec.AppendHandles(nil, m)
	}
	parcel, err := pack(v.obj.Arena(), b, handles)
	runtime.KeepAlive(m)
	if err != nil {
		return err
	}
	return v.putParcel(parcel, claim)
}

// A packet is what a message of its own block is before it is put: a parcel, or a
// shipment.
type packet interface {
	Ref() shm.Ref
	Enclose(parent *shm.Object, stamp uint64)
	Close()
}

// putParcel puts a message that lies in a block of its own. Once that belongs to
// the cell, the queue keeps it, and not this process: from claim to commit, while
// the message waits, and until its consumer has let go of the cell.
func (v *queueView[T]) putParcel(parcel packet, claim func() (ipc.Claimed, error)) error {
	err := v.ship(claim, func(cell ipc.Claimed) (int, error) {
		return enclose(parcel, v.obj, cell, messageParcel), nil
	})
	if err != nil {
		parcel.Close()
	}
	return err
}

// enclose makes a parcel belong to a claimed cell of a ring in parent's block, and
// fills the cell with some bytes and the parcel's Ref. The process has no hold on
// it afterwards: whoever gets it from the cell and lets go of it is the last.
func enclose(parcel packet, parent *shm.Object, cell ipc.Claimed, before ...byte) int {
	parcel.Enclose(parent, cell.Stamp())
	content, _ := parcel.Ref().AppendBinary(append(cell.Bytes()[:0], before...))
	parcel.Close()
	return len(content)
}

// locate finds the encoded message of which a cell or a lease has b. The parcel, if there
// is one, is held.
func (v *queueView[T]) locate(b []byte) (message []byte, parcel *shm.Object, err error) {
	switch {
	case v.fits:
		return b, nil, nil
	case len(b) > 0 && b[0] == messageHere:
		return b[1:], nil, nil
	case len(b) == leastInline && b[0] == messageParcel:
		parcel, message, err = openParcel(v.obj.Arena(), b[1:])
		return message, parcel, err
	}
	return nil, nil, fmt.Errorf("a message that makes no sense: %w", shm.ErrDamaged)
}
