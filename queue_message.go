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

// inCell reports whether every message lies in its cell as it is.
func (v *queueView[T]) inCell() bool {
	n := v.codec.Fixed()
	return n >= 0 && n <= v.Inline()
}

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
	cell, err := claim()
	if err != nil {
		return err
	}
	cell.Commit(copy(cell.Bytes(), b))
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
	cell, err := claim()
	if err != nil {
		parcel.Close()
		return err
	}
	cell.Commit(enclose(parcel, v.obj, cell, messageParcel))
	return nil
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

// consume decodes a taken message and lets go of it.
func (v *queueView[T]) consume(cell ipc.Taken) (m T, err error) {
	b, err := cell.Bytes()
	if err != nil {
		cell.Release()
		return m, err
	}
	m, parcel, err := v.read(b)
	cell.Release()
	v.letGo(parcel)
	return m, err
}

// read decodes what a cell or a lease has. The parcel, if there is one, is to be let
// go of after the cell: before, it belongs to the cell, so that another consumer
// finds it there if this one dies.
func (v *queueView[T]) read(b []byte) (m T, parcel *shm.Object, err error) {
	return v.readAs(b, v.codec.Decode)
}

// readAs is read with another way of decoding what lies in a block of its own.
func (v *queueView[T]) readAs(b []byte, decode func([]byte) (T, error)) (m T, parcel *shm.Object, err error) {
	switch {
	case v.inCell():
		m, err = v.codec.Decode(b)
	case len(b) > 0 && b[0] == messageHere:
		m, err = v.codec.Decode(b[1:])
	case len(b) == leastInline && b[0] == messageParcel:
		parcel, b, err = openParcel(v.obj.Arena(), b[1:])
		if err == nil {
			m, err = decode(b)
		}
	default:
		err = fmt.Errorf("a message that makes no sense: %w", shm.ErrDamaged)
	}
	return m, parcel, err
}
