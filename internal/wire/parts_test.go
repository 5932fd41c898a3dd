package wire_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// A bound is a handle that needs no CBOR.
type bound struct{ object }

func newBound(offset uint64) *bound { return &bound{object{offset}} }

var errUnbound = errors.New("nothing there")

func (o *bound) WireBind(r shm.Ref) error {
	if r.Off == 666 {
		return errUnbound
	}
	o.offset = r.Off
	return nil
}

type chest struct {
	Count   uint16
	Content *bound
	Sealed  bool
	Label   [3]byte
	Lid     *bound
	Sizes   struct{ W, H float32 }
}

const chestLength = 2 + shm.RefSize + 1 + 3 + shm.RefSize + 8

func TestHandlesAndPlainFieldsHaveOneLength(t *testing.T) {
	for name, v := range map[string]chest{
		"full":  {7, newBound(1), true, [3]byte{1, 2, 3}, newBound(2), struct{ W, H float32 }{1, 2}},
		"half":  {Lid: newBound(3)},
		"empty": {},
	} {
		t.Run(name, func(t *testing.T) {
			c := codec[chest](t)
			b, err := c.Append([]byte{9}, v)
			require.NoError(t, err)
			require.Len(t, b, 1+chestLength)
			back, err := c.Decode(b[1:])
			require.NoError(t, err)
			require.Equal(t, v, back)
		})
	}
	direct := codec[*bound](t)
	b, err := direct.Append(nil, newBound(5))
	require.NoError(t, err)
	require.Len(t, b, shm.RefSize)
	back, err := direct.Decode(b)
	require.NoError(t, err)
	require.Equal(t, newBound(5), back)
}

func TestTheHandlesAmongPlainFieldsAreFound(t *testing.T) {
	c := codec[chest](t)
	require.True(t, c.HasHandles())
	require.False(t, c.Simple())
	first, second := newBound(1), newBound(2)
	require.Equal(t, []wire.Handle{first, second}, c.AppendHandles(nil, chest{Content: first, Lid: second}))
	require.Equal(t, []wire.Handle{first, second}, c.AppendHandles([]wire.Handle{first}, chest{Lid: second}))
	require.Empty(t, c.AppendHandles(nil, chest{}))
}

func TestAHandleWithoutAnObjectIsNotEncoded(t *testing.T) {
	dst := []byte{1, 2}
	b, err := codec[chest](t).Append(dst, chest{Content: newBound(1), Lid: new(bound)})
	require.ErrorIs(t, err, shm.ErrClosed)
	require.Equal(t, dst, b)
}

func TestBytesThatAreNoHandlesAndPlainFields(t *testing.T) {
	good, err := codec[chest](t).Append(nil, chest{Content: newBound(1)})
	require.NoError(t, err)
	noBool := append([]byte(nil), good...)
	noBool[2+shm.RefSize] = 2
	malformed[chest](t, nil, good[1:], append(good, 0), noBool)
	malformed[*bound](t, nil, good[:shm.RefSize-1], good[:shm.RefSize+1])

	binary.LittleEndian.PutUint64(good[2+8:], 666)
	_, err = codec[chest](t).Decode(good)
	require.ErrorIs(t, err, errUnbound)
	require.ErrorIs(t, err, wire.ErrMalformed)
}

// What is in an embedded, a nested or an unexported field goes as CBOR, or not at all.
func TestWhatIsMoreThanHandlesAndPlainFieldsTravelsAsBefore(t *testing.T) {
	type shelf struct {
		Chests [2]chest
		Name   string
	}
	v := shelf{Chests: [2]chest{{Count: 1, Content: newBound(1)}, {}}, Name: "upper"}
	c := codec[shelf](t)
	require.Len(t, c.AppendHandles(nil, v), 1)
	b, err := c.Append(nil, v)
	require.NoError(t, err)
	back, err := c.Decode(b)
	require.NoError(t, err)
	require.Equal(t, v, back)

	type hidden struct {
		Content *bound
		count   int
	}
	_, err = wire.For[hidden]("a box")
	require.ErrorIs(t, err, wire.ErrUnencodable)
	_ = hidden{}.count
}

func TestEncodingHandlesAllocatesNothing(t *testing.T) {
	c, v := codec[chest](t), chest{Content: newBound(1)}
	dst, handles := make([]byte, 0, 2*chestLength), make([]wire.Handle, 0, 2)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = c.Append(dst, v)
		_ = c.AppendHandles(handles, v)
	}))
}

func FuzzDecodeParts(f *testing.F) {
	c := codec[chest](f)
	b, err := c.Append(nil, chest{Content: newBound(1), Sealed: true})
	require.NoError(f, err)
	f.Add(b)
	f.Add(b[1:])
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := c.Decode(b)
		if err != nil {
			require.ErrorIs(t, err, wire.ErrMalformed)
			require.Zero(t, v)
			return
		}
		require.Len(t, b, chestLength)
		_ = c.AppendHandles(nil, v)
	})
}
