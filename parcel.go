package mp

import (
	"slices"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// A movable is a handle of something that one process has at a time: to send it is
// to give it up. It leaves before anybody can get the message, so that whoever does
// can take it; and when the message was sent, or was not, is told which.
type movable interface {
	leave() error // not usable here from now on
	sent()        // gives this process's share back
	unsent()      // usable again
}

// A shipment is a parcel that this process makes and sends. Until it is closed, the
// process holds what it speaks of.
type shipment struct {
	*shm.Object
	leaving []movable
	gone    bool // to an addressee, or into a message
}

// pack makes a parcel of encoded bytes and the handles they speak of.
func pack(a *shm.Arena, b []byte, handles []wire.Handle) (*shipment, error) {
	s, payload, err := newShipment(a, len(b), handles)
	if err == nil {
		copy(payload, b)
	}
	return s, err
}

// newShipment makes a parcel of n bytes, which are still to be filled in, and the
// handles they will speak of.
func newShipment(a *shm.Arena, n int, handles []wire.Handle) (*shipment, []byte, error) {
	refs := make([]shm.Ref, 0, len(handles))
	for _, h := range handles {
		r, err := h.WireRef()
		if err != nil {
			return nil, nil, err
		}
		refs = append(refs, r)
	}
	parcel, payload, err := newParcel(a, refs, n)
	if err != nil {
		return nil, nil, err
	}
	s := &shipment{Object: parcel}
	if err := s.load(handles, refs); err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, payload, nil
}

// load takes what can be in one place only away from this process. It may occur
// several times in a message, also by several handles.
func (s *shipment) load(handles []wire.Handle, refs []shm.Ref) error {
	var left []shm.Ref
	for i, h := range handles {
		m, ok := h.(movable)
		if !ok || slices.Contains(left, refs[i]) {
			continue
		}
		if err := m.leave(); err != nil {
			return err
		}
		s.leaving, left = append(s.leaving, m), append(left, refs[i])
	}
	return nil
}

// Address is that of the parcel.
func (s *shipment) Address(to shm.Incarnation) bool {
	s.gone = true
	return s.Object.Address(to)
}

// Enclose is that of the parcel.
func (s *shipment) Enclose(parent *shm.Object, stamp uint64) {
	s.gone = true
	s.Object.Enclose(parent, stamp)
}

// keep ends the sending, and leaves the parcel to the caller, who will see to it that
// it is sent, or is not.
func (s *shipment) keep() *shm.Object {
	for _, m := range s.leaving {
		m.sent()
	}
	return s.Object
}

// recall says that it was not sent after all: nobody got it.
func (s *shipment) recall() { s.gone = false }

// Close ends the sending, whether it came to that or not.
func (s *shipment) Close() {
	for _, m := range s.leaving {
		if s.gone {
			m.sent()
		} else {
			m.unsent()
		}
	}
	s.Object.Close()
}

// parcelOf is pack for one who keeps the parcel as long as it has not been read. What
// can be in one place only is the parcel's from now on.
func parcelOf(a *shm.Arena, b []byte, handles []wire.Handle) (*shm.Object, error) {
	s, err := pack(a, b, handles)
	if err != nil {
		return nil, err
	}
	return s.keep(), nil
}

// newParcel makes a parcel with room for n bytes.
func newParcel(a *shm.Arena, refs []shm.Ref, n int) (*shm.Object, []byte, error) {
	return newKeeper(a, shm.KindParcel, refs, n)
}

// newKeeper makes a block that keeps what refs name alive, with room for n bytes.
func newKeeper(a *shm.Arena, kind shm.Kind, refs []shm.Ref, n int) (*shm.Object, []byte, error) {
	o, err := a.NewKeeper(kind, 0, refs, n)
	if full(err) {
		reclaim()
		o, err = a.NewKeeper(kind, 0, refs, n)
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := o.Payload()
	if err != nil {
		o.Close()
		return nil, nil, err
	}
	return o, b, nil
}

// openParcel opens the parcel whose encoded Ref is given. Its bytes are valid,
// and what they speak of is alive, until it is closed.
func openParcel(a *shm.Arena, ref []byte) (*shm.Object, []byte, error) {
	var r shm.Ref
	if err := r.UnmarshalBinary(ref); err != nil {
		return nil, nil, err
	}
	parcel, err := a.Open(r, shm.KindParcel, 0)
	if err != nil {
		return nil, nil, err
	}
	b, err := parcel.Payload()
	if err != nil {
		parcel.Close()
		return nil, nil, err
	}
	return parcel, b, nil
}
