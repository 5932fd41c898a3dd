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
	parcel, err := a.NewParcel(refs, len(b))
	if full(err) {
		reclaim()
		parcel, err = a.NewParcel(refs, len(b))
	}
	if err != nil {
		return nil, err
	}
	payload, err := parcel.Payload()
	if err != nil {
		parcel.Close()
		return nil, err
	}
	copy(payload, b)
	return parcel, nil
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
