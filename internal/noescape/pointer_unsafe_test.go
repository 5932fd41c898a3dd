package noescape_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/noescape"
	"github.com/mpgo/mp/internal/testkit"
)

func TestAPointerFollowsTheStack(t *testing.T) {
	for range 10 {
		done := make(chan uint64)
		go func() {
			var v uint64
			// SAFETY: v is alive until it is sent.
			p := noescape.Pointer(unsafe.Pointer(&v))
			_ = testkit.GrowStack(200)
			// SAFETY: p points to v.
			*(*uint64)(p) = 7
			done <- v
		}()
		require.EqualValues(t, 7, <-done)
	}
}

func TestWhatAPointerPointsToStaysOnTheStack(t *testing.T) {
	keepNothing := func(unsafe.Pointer) {}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		var v uint64
		// SAFETY: nobody keeps it.
		keepNothing(noescape.Pointer(unsafe.Pointer(&v)))
	}))
}
