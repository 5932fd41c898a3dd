package connection

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/testkit"
)

// There and back with another process, which sleeps in between.
func BenchmarkRoundTrip(b *testing.B) {
	ctx := within(b)
	l := listening[[]byte](b, place{"unix", ""}, WithoutKey())
	child := testkit.Start(b, "echoes")
	child.Say(l.Addr())
	c := accepted(b, l)
	message := make([]byte, 64)
	for b.Loop() {
		require.NoError(b, c.Send(ctx, message))
		_, err := c.Recv(ctx)
		require.NoError(b, err)
	}
}
