package ipc

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// The sizes are part of what processes share.
func TestSharedLayouts(t *testing.T) {
	for _, l := range []struct {
		of   reflect.Type
		size int
	}{
		{reflect.TypeFor[MutexState](), MutexSize},
		{reflect.TypeFor[OnceState](), OnceSize},
		{reflect.TypeFor[SemaphoreState](), SemaphoreSize},
		{reflect.TypeFor[boundedHead](), boundedHeadSize},
		{reflect.TypeFor[EventState](), EventSize},
		{reflect.TypeFor[CondState](), CondSize},
		{reflect.TypeFor[BarrierState](), BarrierSize},
		{reflect.TypeFor[RWMutexState](), RWMutexSize},
	} {
		require.EqualValues(t, l.size, l.of.Size(), l.of.Name())
		for i := range l.of.NumField() { // 64-bit atomics must be 8-aligned
			if f := l.of.Field(i); f.Type == reflect.TypeFor[roster]() {
				require.Zero(t, f.Offset%8, "%v.%v", l.of.Name(), f.Name)
			}
		}
	}
}
