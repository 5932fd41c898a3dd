package ipc

import (
	"context"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/goroutine"
	"github.com/mpgo/mp/internal/testkit"
)

// Memory for a message lies on the stack of who receives it. What is not quickly done takes
// functions that make the stack grow, and so move: the message arrives where it then is.
func TestWhatIsReceivedOtherwiseFollowsTheStack(t *testing.T) {
	const word = 0x1234
	fill := func(b []byte) {
		_ = testkit.GrowStack(200)
		// SAFETY: it has 8 bytes, and is aligned as the variables below.
		*(*uint64)(unsafe.Pointer(unsafe.SliceData(b))) = word
	}
	rings, _ := aRing(t, 1, 2, 8, 0)
	rings[0].Plain(8, Plainly{Get: func(_ context.Context, into []byte, _ *Taken) error {
		fill(into)
		return nil
	}})
	r := newPlainStream(t, newWorld(t), 8)
	r.Receives(8, func(_ context.Context, msg []byte, _ goroutine.Place) error {
		fill(msg)
		return nil
	})
	got := make(chan uint64)
	go func() { // on a new, small stack
		var v uint64
		// SAFETY: the variable is alive.
		if err := rings[0].GetQuick(atOnce, unsafe.Pointer(&v)); err != nil {
			t.Error(err)
		}
		got <- v
	}()
	require.EqualValues(t, word, <-got, "from a queue")
	go func() {
		var v uint64
		// SAFETY: the variable is alive.
		if err := r.Pull(atOnce, unsafe.Pointer(&v), goroutine.Place{}); err != nil {
			t.Error(err)
		}
		got <- v
	}()
	require.EqualValues(t, word, <-got, "from a stream")
}

// newPlainStream is the reader of a stream of records of so many bytes.
func newPlainStream(t *testing.T, world *world, length int) *StreamReader {
	const capacity = 1024
	size, err := StreamSize(capacity)
	require.NoError(t, err)
	mem := alignTo(make([]byte, size+cellAlign), cellAlign)[:size]
	require.NoError(t, InitFixedStream(mem, capacity, length))
	r, err := OpenReader(world.mate(), mem)
	require.NoError(t, err)
	return r
}
