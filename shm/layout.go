package shm

import "github.com/mpgo/mp/internal/shared"

// An arena's memory, from its start:
//
//	0                arenaHeader                       one page
//	4 KiB            slots     [MaxProcesses]slot      the process table
//	headersOffset    units     [n]header               one header for each unit
//	dataOffset       n units of unitSize bytes         the memory that is given out
//
// The sizes follow from the arena's size alone (geometryOf). Header pages and
// units are reserved as they come into use: the arena is sparse.
const (
	pageSize      = 4 << 10
	unitSize      = 64 << 10
	headerSize    = 64
	slotSize      = 256
	slotsOffset   = pageSize
	headersOffset = slotsOffset + MaxProcesses*slotSize

	// MinArena is the smallest arena: its tables and a handful of units.
	MinArena = 1 << 20
	// MaxArena is what a block's place has bits for.
	MaxArena = 1 << 40

	layoutMagic   = 0x0a61_6e65_7261_706d // "mparena\n", least significant byte first
	layoutVersion = 1
)

// arenaHeader is the first page. Fields above the line are written by the
// creator before magic and never again; each word below has a line of its own.
type arenaHeader struct {
	magic   shared.Uint64 // written last: everything else is there
	version uint32
	order   uint32 // orderMark as the creator's machine writes it
	size    uint64 // of the whole arena, bytes
	id      uint32 // random; the first word of every Ref
	word    uint32 // bytes of a pointer
	_       [128 - 32]byte

	// epoch counts proven deaths. Whoever proves one raises it and wakes all who
	// sleep on it; whoever blocks on a shared word sleeps on it, too.
	epoch shared.Uint32
	_     [128 - 4]byte

	// tableVersion counts processes that joined, so that guardians look at the
	// table again.
	tableVersion shared.Uint32
	_            [128 - 4]byte

	// highWater is above every unit that was ever claimed. It is raised before the
	// claim and never falls, so that a scan to it misses nothing.
	highWater shared.Uint64
	_         [128 - 8]byte
}

const orderMark = 0x01020304

// geometry is where things lie in an arena of some size.
type geometry struct {
	size  int64
	units int
	data  int64 // offset of unit 0
}

func geometryOf(size int64) geometry {
	size &^= pageSize - 1
	units := (size - headersOffset) / (unitSize + headerSize)
	data := func(n int64) int64 { return roundUp(headersOffset+n*headerSize, unitSize) }
	for data(units)+units*unitSize > size {
		units--
	}
	return geometry{size: size, units: int(units), data: data(units)}
}

func (g geometry) unitOffset(u int) int64 { return g.data + int64(u)*unitSize }

func roundUp(n, to int64) int64 { return (n + to - 1) &^ (to - 1) }
