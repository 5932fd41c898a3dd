package mp_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp"
)

// A labelled Array is a user's own handle: it says more of itself than the object's name,
// in CBOR: an array of the name and a number.
type labelled struct {
	*mp.Array[byte]
	Label uint64
}

func (l *labelled) MarshalCBOR() ([]byte, error) {
	name, err := l.Array.MarshalCBOR()
	b := append([]byte{0x82}, name...)
	return binary.BigEndian.AppendUint64(append(b, 0x1b), l.Label), err
}

func (l *labelled) UnmarshalCBOR(b []byte) error {
	l.Array = new(mp.Array[byte])
	l.Label = binary.BigEndian.Uint64(b[len(b)-8:])
	return l.Array.UnmarshalCBOR(b[1 : len(b)-9])
}

type labelledPair struct{ First, Second *labelled }

var labels = mp.Register("labels two arrays", func(_ context.Context, label uint64) (p labelledPair, err error) {
	for i, l := range []**labelled{&p.First, &p.Second} {
		a, err := mp.NewArray[byte](3)
		if err != nil {
			return p, err
		}
		*l = &labelled{a, label + uint64(i)}
	}
	return p, nil
})

func TestAHandleOfTheUsersEncodesItself(t *testing.T) {
	p, err := labels.Run(t.Context(), 5)
	require.NoError(t, err)
	for i, l := range []*labelled{p.First, p.Second} {
		require.Equal(t, uint64(5+i), l.Label)
		require.Equal(t, 3, l.Len())
		require.NoError(t, l.Free())
	}
}
