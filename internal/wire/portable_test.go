package wire_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/wire"
)

// What other programs read: one CBOR data item, whatever T's memory looks like here
// (RFC 8949, appendix A).
func TestPortableIsCBOR(t *testing.T) {
	portable(t, int32(1000), "1903e8")
	portable(t, [3]uint8{1, 2, 3}, "43010203")
	portable(t, [2]int16{1, -1}, "820120")
	portable(t, []string{"a"}, "816161")
	portable(t, struct{ A bool }{true}, "a16141f5")
}

func portable[T any](t *testing.T, v T, want string) {
	t.Helper()
	c, err := wire.Portable[T]("message")
	require.NoError(t, err)
	b, err := c.Append(nil, v)
	require.NoError(t, err)
	require.Equal(t, want, hex.EncodeToString(b))
	got, err := c.Decode(b)
	require.NoError(t, err)
	require.Equal(t, v, got)
	_, err = c.Decode(append(b, 0))
	require.ErrorIs(t, err, wire.ErrMalformed)
}

func TestPortableRefusesWhatMeansNothingElsewhere(t *testing.T) {
	_, err := wire.Portable[func()]("message")
	require.ErrorIs(t, err, wire.ErrUnencodable)
	require.ErrorContains(t, err, "message of type func()")
}
