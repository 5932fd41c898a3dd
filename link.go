package mp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/ipc"
	"github.com/mpgo/mp/shm"
)

// A link is what a pool and one of its workers have between them: a ring of
// requests and a ring of answers, in one block. Only the parent puts requests
// and takes answers, only the worker the reverse.
//
// A message is an envelope in a ring's cell. What is larger than a cell, or
// speaks of shared objects, lies in a parcel addressed to the receiver, and the
// cell has its Ref.
type link struct {
	handle[*linkView, links]
}

// linkView is a process's view of both rings.
type linkView struct{ requests, answers *ipc.Ring }

// Close closes this process's view; whoever still waits is let go.
func (v *linkView) Close() error {
	v.requests.Detach()
	v.answers.Detach()
	return nil
}

// links describes the blocks of links.
type links struct{}

func (links) what() string   { return "link" }
func (links) kind() shm.Kind { return kindLink }
func (links) typ() uint32    { return 0 }

func (links) open(o *shm.Object) (v *linkView, err error) {
	if len(o.Bytes()) != 2*linkRing() {
		return nil, fmt.Errorf("%d bytes: %w", len(o.Bytes()), shm.ErrDamaged)
	}
	v = new(linkView)
	if v.requests, err = ipc.OpenRing(o.Arena(), linkHalf(o, 0)); err == nil {
		v.answers, err = ipc.OpenRing(o.Arena(), linkHalf(o, 1))
	}
	return v, err
}

const (
	linkDepth  = 2
	linkInline = 2 << 10
)

func linkRing() int {
	n, err := ipc.RingSize(linkDepth, linkInline)
	if err != nil {
		panic(err) // the constants are wrong
	}
	return n
}

func newLink() (*link, error) {
	obj, err := create(links{}, 2*linkRing())
	if err != nil {
		return nil, err
	}
	for i := range 2 {
		if err := ipc.InitRing(linkHalf(obj, i), linkDepth, linkInline); err != nil {
			obj.Close()
			return nil, err
		}
	}
	l := new(link)
	return l, l.bind(obj)
}

func linkHalf(obj *shm.Object, i int) []byte {
	n := linkRing()
	return obj.Bytes()[i*n:][:n]
}

// An envelope is one message of a link:
//
//	0    id      of the task
//	8    typ     of the function; 0 in an answer
//	12   fn      length of the name; 0 in an answer
//	14   how     envelopeInline or envelopeParcel
//	16   the name, then the body or the parcel's Ref
type envelope struct {
	id   uint64
	typ  uint32
	fn   string
	body []byte

	parcel *shm.Object // that body lies in, or nil
}

const (
	envelopeHeader = 16

	envelopeInline = 1
	envelopeParcel = 2
)

func (e *envelope) append(dst []byte, how uint16, content []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, e.id)
	dst = binary.LittleEndian.AppendUint32(dst, e.typ)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(e.fn)))
	dst = binary.LittleEndian.AppendUint16(dst, how)
	dst = append(dst, e.fn...)
	return append(dst, content...)
}

// size is what the envelope takes in a cell if its body is inline.
func (e *envelope) size() int { return envelopeHeader + len(e.fn) + len(e.body) }

var errLongName = errors.New("the function's name is too long for a message; give it a shorter one")

// send puts the envelope into a ring for the process to.
func (e *envelope) send(ctx context.Context, a *shm.Arena, ring *ipc.Ring, to shm.Incarnation, handles []wire.Handle) error {
	if envelopeHeader+len(e.fn)+shm.RefSize > linkInline {
		return errLongName
	}
	how, content := uint16(envelopeInline), e.body
	if len(handles) > 0 || e.size() > linkInline {
		parcel, err := pack(a, e.body, handles)
		if err != nil {
			return err
		}
		parcel.Address(to)
		how = envelopeParcel
		content, _ = parcel.Ref().AppendBinary(nil)
		parcel.Close() // before the receiver gets it: who then lets go of it is the last
	}
	cell, err := ring.Claim(ctx)
	if err != nil {
		return err
	}
	b := e.append(cell.Bytes()[:0], how, content)
	cell.Commit(len(b))
	return nil
}

// open reads the envelope in a taken cell and frees the cell. The body is this
// process's until close.
func open(a *shm.Arena, cell ipc.Taken) (*envelope, error) {
	defer cell.Release()
	b, err := cell.Bytes()
	if err != nil {
		return nil, err
	}
	if len(b) < envelopeHeader {
		return nil, fmt.Errorf("mp: a message of %d bytes: %w", len(b), shm.ErrDamaged)
	}
	e := &envelope{id: binary.LittleEndian.Uint64(b), typ: binary.LittleEndian.Uint32(b[8:])}
	name, how := int(binary.LittleEndian.Uint16(b[12:])), binary.LittleEndian.Uint16(b[14:])
	b = b[envelopeHeader:]
	if name > len(b) {
		return nil, fmt.Errorf("mp: a message without its name: %w", shm.ErrDamaged)
	}
	e.fn, b = string(b[:name]), b[name:]
	if how == envelopeInline {
		e.body = append([]byte(nil), b...)
		return e, nil
	}
	e.parcel, e.body, err = openParcel(a, b)
	return e, err
}

// close gives the body back.
func (e *envelope) close() {
	if e.parcel != nil {
		e.parcel.Close()
	}
	e.parcel, e.body = nil, nil
}
