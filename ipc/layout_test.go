package ipc

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mpgo/mp/internal/shared"
	"github.com/mpgo/mp/internal/testkit"
	"github.com/mpgo/mp/shm"
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

func TestTheDocumentedLayoutIsThatOfTheObjects(t *testing.T) {
	testkit.RequireLayouts(t, "..", "ipc",
		reflect.TypeFor[MutexState](), reflect.TypeFor[RWMutexState](), reflect.TypeFor[SemaphoreState](),
		reflect.TypeFor[boundedHead](), reflect.TypeFor[EventState](), reflect.TypeFor[CondState](),
		reflect.TypeFor[BarrierState](), reflect.TypeFor[OnceState](),
		reflect.TypeFor[ringGeometry](), reflect.TypeFor[chainLink](), reflect.TypeFor[putWatch](),
		reflect.TypeFor[getWatch](), reflect.TypeFor[doorbell](), reflect.TypeFor[lending](),
		reflect.TypeFor[cellHeader](), reflect.TypeFor[leaseGeometry](), reflect.TypeFor[leaseHeader](),
		reflect.TypeFor[streamGeometry](), reflect.TypeFor[streamEnd]())
}

func TestTheDocumentedLayoutIsThatOfRingsStreamsAndCells(t *testing.T) {
	mem := Aligned(make([]byte, 8<<10))
	require.NoError(t, InitRing(mem, 4, 100))
	ring := newCells(mem, 4, 100)
	requireAt(t, "Ring", map[string]func(off int) bool{
		"geometry": func(off int) bool { return &shm.At[ringGeometry](mem, off).notes == ring.notes },
		"putWatch": func(off int) bool { return &shm.At[putWatch](mem, off).closed == ring.closed },
		"getWatch": func(off int) bool { return &shm.At[getWatch](mem, off).scanned == ring.scanned },
		"tail":     func(off int) bool { return shm.At[shared.Uint64](mem, off) == ring.tail },
		"head":     func(off int) bool { return shm.At[shared.Uint64](mem, off) == ring.head },
		"cells":    func(off int) bool { return shm.At[cellHeader](mem, off) == ring.first.at(0) },
	})

	require.NoError(t, InitStream(mem, 1<<10))
	stream := viewStream(mem, 1<<10, 0, -1)
	requireAt(t, "Stream", map[string]func(off int) bool{
		"geometry": func(off int) bool { return shm.At[streamGeometry](mem, off).magic.Load() == streamMagic },
		"tail":     func(off int) bool { return shm.At[shared.Uint64](mem, off) == stream.tail },
		"turn":     func(off int) bool { return shm.At[shared.Uint64](mem, off) == stream.turn },
		"head":     func(off int) bool { return shm.At[shared.Uint64](mem, off) == stream.head },
		"writer":   func(off int) bool { return shm.At[streamEnd](mem, off) == stream.writer },
		"reader":   func(off int) bool { return shm.At[streamEnd](mem, off) == stream.reader },
		"records":  func(off int) bool { return &mem[off] == &stream.large.records[0] },
	})

	cell := NewCell(newWorld(t).mate(), mem, 40)
	requireAt(t, "Cell", map[string]func(off int) bool{
		"version": func(off int) bool { return shm.At[shared.Uint64](mem, off) == cell.version },
		"lock":    func(off int) bool { return shm.At[MutexState](mem, off) == cell.lock.state.Load() },
		"copies":  func(off int) bool { return shm.At[shared.Uint64](mem, off) == &cell.copies[0][0] },
	})
}

// requireAt asks of each row of a table whether the part lies at the row's offset.
func requireAt(t *testing.T, title string, parts map[string]func(off int) bool) {
	t.Helper()
	rows := testkit.Layouts(t, "..")[title]
	require.Len(t, rows, len(parts), title)
	for _, row := range rows {
		require.Contains(t, parts, row.Name, title)
		require.True(t, parts[row.Name](row.Offset), "docs/memory-layout.md: %s, %s is not at %d", title, row.Name, row.Offset)
	}
}
