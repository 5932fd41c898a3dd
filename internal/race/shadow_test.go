package race_test

import (
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/race"
)

func TestAShadowTakesMemoryWhereItIsUsed(t *testing.T) {
	const n = 1 << 30
	before := allocated()
	s := race.NewShadow(n, 1)
	require.Less(t, allocated()-before, uint64(1<<20), "unused")
	s.Write(0)
	s.Write(n - 1)
	s.BeginAtomic(n / 2)
	s.EndAtomic(n / 2)
	s.WriteAll()
	require.Less(t, allocated()-before, uint64(2<<20), "used in three places")
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestWithoutTheDetectorNothingTakesMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("this is with the race detector")
	}
	require.Zero(t, sizeOf[race.Edge](), "an Edge")
	require.Zero(t, sizeOf[race.Shadow](), "a Shadow")
}

func sizeOf[T any]() uintptr { return reflect.TypeFor[T]().Size() }
