package wire_test

import (
	"fmt"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/wire"
	"github.com/mpgo/mp/shm"
)

// An object is a handle as this library's shared objects are.
type object struct{ offset uint64 }

func newObject(offset uint64) *object { return &object{offset} }

func (o *object) WireRef() (shm.Ref, error) {
	if o.offset == 0 {
		return shm.Ref{}, fmt.Errorf("object: %w", shm.ErrClosed)
	}
	return shm.Ref{Arena: 1, Gen: 2, Off: o.offset}, nil
}

func (o *object) MarshalCBOR() ([]byte, error) {
	r, err := o.WireRef()
	if err != nil {
		return nil, err
	}
	b, _ := r.AppendBinary(nil)
	return cbor.Marshal(b)
}

func (o *object) UnmarshalCBOR(data []byte) error {
	var b []byte
	if err := cbor.Unmarshal(data, &b); err != nil {
		return err
	}
	var r shm.Ref
	if err := r.UnmarshalBinary(b); err != nil {
		return err
	}
	o.offset = r.Off
	return nil
}

type household struct {
	Main  *object
	Spare *object
	Rest  []*object
	Named map[string]bag[*object]
	Pair  [2]*object
	Deep  *household
	Note  string
}

func fullHouse() household {
	return household{
		Main:  newObject(1),
		Rest:  []*object{nil, newObject(2), newObject(3)},
		Named: map[string]bag[*object]{"a": {Inside: newObject(4)}, "b": {}},
		Pair:  [2]*object{newObject(5), nil},
		Deep:  &household{Spare: newObject(6), Note: "inner"},
	}
}

func TestHandlesAreFoundWhereverTheyAre(t *testing.T) {
	c := codec[household](t)
	require.True(t, c.HasHandles())
	require.ElementsMatch(t, []uint64{1, 2, 3, 4, 5, 6}, offsets(t, c.AppendHandles(nil, fullHouse())))
	require.Empty(t, c.AppendHandles(nil, household{}))

	direct := codec[*object](t)
	require.True(t, direct.HasHandles())
	require.Equal(t, []uint64{7}, offsets(t, direct.AppendHandles(nil, newObject(7))))
	require.Empty(t, direct.AppendHandles(nil, nil))
}

func TestTheSameHandleTwiceIsTwo(t *testing.T) {
	o := newObject(8)
	require.Len(t, codec[[]*object](t).AppendHandles(nil, []*object{o, o}), 2)
}

func TestTypesWithoutHandlesHaveNone(t *testing.T) {
	require.False(t, codec[int](t).HasHandles())
	require.False(t, codec[[]byte](t).HasHandles())
	require.False(t, codec[tree](t).HasHandles())
	require.Nil(t, codec[tree](t).AppendHandles(nil, tree{}))
}

func TestHandlesArrive(t *testing.T) {
	require.Equal(t, fullHouse(), travel(t, fullHouse()))
	require.Equal(t, newObject(9), travel(t, newObject(9)))
	require.Nil(t, travel[*object](t, nil))
}

func TestHandlesOfAValueWithoutEnd(t *testing.T) {
	h := household{Main: newObject(1)}
	h.Deep = &h
	require.NotEmpty(t, codec[*household](t).AppendHandles(nil, &h), "it ends")
	require.ErrorIs(t, appending(t, &h), wire.ErrUnencodable)
}

func offsets(t *testing.T, hs []wire.Handle) (list []uint64) {
	for _, h := range hs {
		r, err := h.WireRef()
		require.NoError(t, err)
		list = append(list, r.Off)
	}
	return list
}

// travel is what a value is after its journey.
func travel[T any](t testing.TB, v T) T {
	t.Helper()
	c := codec[T](t)
	b, err := c.Append(nil, v)
	require.NoError(t, err)
	out, err := c.Decode(b)
	require.NoError(t, err)
	return out
}
