package mp

import (
	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// pack makes a parcel of encoded bytes and the handles they speak of.
func pack(a *shm.Arena, b []byte, handles []wire.Handle) (*shm.Object, error) {
	refs := make([]shm.Ref, 0, len(handles))
	for _, h := range handles {
		r, err := h.WireRef()
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	parcel, payload, err := newParcel(a, refs, len(b))
	if err != nil {
		return nil, err
	}
	copy(payload, b)
	return parcel, nil
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
