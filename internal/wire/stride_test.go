package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Many values at once look like one after the other.
func TestManyAtOnce(t *testing.T) {
	c := codec[record](t)
	values := []record{{ID: 1}, {Kind: 2, Body: [48]byte{3}}, {Flags: 4}}
	var single []byte
	for _, v := range values {
		single, _ = c.Append(single, v)
	}
	require.Equal(t, len(single), c.Stride()*len(values))
	require.Equal(t, append([]byte("x"), single...), c.AppendAll([]byte("x"), values))
	back := make([]record, len(values))
	require.NoError(t, c.DecodeAll(single, back))
	require.Equal(t, values, back)
	require.Error(t, c.DecodeAll(single[1:], back))
	require.Error(t, c.DecodeAll(single, back[1:]))
}

func TestOnlyTypesOfWhichAnyBytesAreOneComeManyAtOnce(t *testing.T) {
	require.Equal(t, 8, codec[int](t).Stride())
	require.Equal(t, 0, codec[struct{}](t).Stride())
	require.Equal(t, -1, codec[bool](t).Stride())
	require.Equal(t, -1, codec[[]int](t).Stride())
	require.Equal(t, -1, codec[string](t).Stride())
	require.Equal(t, -1, codec[nested](t).Stride())
}
