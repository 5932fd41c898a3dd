package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMessageIsCopiedAsAWhole(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	for _, n := range []int{0, 1, copyPiece - 1, copyPiece, copyPiece + 1, 3*copyPiece + 5, copyMost, copyMost + 1} {
		src := make([]byte, n)
		_, err := random.Read(src)
		require.NoError(t, err)

		dst := make([]byte, n+1)
		copyMessage(dst, src)
		require.True(t, bytes.Equal(src, dst[:n]), n)
		require.Zero(t, dst[n])

		before := []byte("before")
		require.True(t, bytes.Equal(append([]byte("before"), src...), appendMessage(before, src)), "without room for %d", n)
		room := append(make([]byte, 0, n+100), before...)
		all := appendMessage(room, src)
		require.True(t, bytes.Equal(append([]byte("before"), src...), all), "with room for %d", n)
		require.Equal(t, &room[0], &all[0])
	}
	short := make([]byte, copyPiece+7)
	copyMessage(short, bytes.Repeat([]byte{1}, 3*copyPiece))
	require.NotContains(t, short, byte(0))
}
