package ipc

import "unsafe"

// A cellBase is where the cells of a ring begin.
type cellBase struct{ p unsafe.Pointer }

func newCellBase(mem []byte) cellBase {
	// SAFETY: the address of mem[0]; it keeps a Go-heap mem alive, and a mapped one
	// stays mapped for as long as its owner uses the ring (OpenRing).
	return cellBase{unsafe.Pointer(unsafe.SliceData(mem))}
}

// at is the header of the cell that begins off bytes after the first.
func (b cellBase) at(off uint64) *cellHeader {
	// SAFETY: off is index × stride with index < capacity, and RingSize or
	// checkGeometry made sure that as many bytes follow the base as the layout has. The
	// base and the stride are multiples of 8 (shm.At checked the alignment of the header,
	// which is a multiple of 64 bytes long), the header's alignment.
	return (*cellHeader)(unsafe.Add(b.p, off))
}

// cellAfter is the cell i cells after h, which is one of the ring.
func (c *cells) cellAfter(h *cellHeader, i int) *cellHeader {
	// SAFETY: as in at.
	return (*cellHeader)(unsafe.Add(unsafe.Pointer(h), i*int(c.layout.stride)))
}

// groupIs reports whether the cells of the group that begins with first are all in a state.
// It looks at all of them, two by two: as there are hardly any that are not, that is fewer
// instructions, and no load waits for what another one found.
func (c *cells) groupIs(first *cellHeader, state uint64) bool {
	var off uintptr
	var differ uint64
	for range groupSize / 2 {
		h, next := c.pair(first, off)
		differ |= (h.state.Load() ^ state) | (next.state.Load() ^ state)
		off += 2 * uintptr(c.layout.stride)
	}
	return differ == 0
}

// pair is two cells of the group that begins with first, the one off bytes after it and the next.
func (c *cells) pair(first *cellHeader, off uintptr) (h, next *cellHeader) {
	// SAFETY: as in at: the group is in the ring.
	p := unsafe.Add(unsafe.Pointer(first), off)
	// SAFETY: as in at, too: a group has an even number of cells.
	return (*cellHeader)(p), (*cellHeader)(unsafe.Add(p, c.layout.stride))
}

// groupHas reports whether the messages of the group that begins with first all have n bytes.
func (c *cells) groupHas(first *cellHeader, n uint32) bool {
	var off uintptr
	var differ uint32
	for range groupSize / 2 {
		h, next := c.pair(first, off)
		differ |= (h.length ^ n) | (next.length ^ n)
		off += 2 * uintptr(c.layout.stride)
	}
	return differ == 0
}

// describeGroup is describe for all cells of the group that begins with first. A cell that has
// this description from an earlier lap is left alone: a store to a line that the other side
// had last keeps all later ones waiting. (Two processes, batches of 64: from 50 to 52 M/s, and
// from 28 to 33 where the CPUs are far apart.)
func (c *cells) describeGroup(first *cellHeader, n uint32) {
	var off uintptr
	for range groupSize {
		// SAFETY: as in pair.
		if h := (*cellHeader)(unsafe.Add(unsafe.Pointer(first), off)); *h.description() != uint64(n) {
			h.describe(n)
		}
		off += uintptr(c.layout.stride)
	}
}

// giveGroup stores the state of the cells of a group: the first comes last.
func (c *cells) giveGroup(first *cellHeader, state uint64) {
	stride := uintptr(c.layout.stride)
	// SAFETY: as in pair.
	p := unsafe.Add(unsafe.Pointer(first), (groupSize-1)*stride)
	for range groupSize - 1 {
		// SAFETY: as in pair.
		storeRelease(&(*cellHeader)(p).state, state)
		// SAFETY: as in pair; it ends at first.
		p = unsafe.Add(p, -stride)
	}
	storeRelease(&first.state, state)
}

// pointer is the address off bytes after the first cell, within the layout.
func (b cellBase) pointer(off uint64) unsafe.Pointer {
	// SAFETY: as in at.
	return unsafe.Add(b.p, off)
}

// offset is the reverse of at.
func (b cellBase) offset(h *cellHeader) uint64 {
	// SAFETY: both addresses are only looked at; h was found by at.
	return uint64(uintptr(unsafe.Pointer(h)) - uintptr(b.p))
}

// describe says that a message of n bytes is in the cell, which was never taken. It is
// one store, because batches fill the CPU's store buffer.
func (h *cellHeader) describe(n uint32) { *h.description() = uint64(n) }

// description is length, attempt and kind in one word.
func (h *cellHeader) description() *uint64 {
	// SAFETY: they are the 8 bytes from a multiple of 8 on, length the lower ones of the word.
	return (*uint64)(unsafe.Pointer(&h.length))
}

// message is where the message of cell i lies.
func (c *cells) message(i uint64) unsafe.Pointer {
	return c.first.pointer(c.layout.messages + i*c.layout.room)
}

// messageOf is the message of h, which is a cell of the ring.
func (c *cells) messageOf(h *cellHeader) unsafe.Pointer {
	if c.layout.apart() {
		return c.message(c.first.offset(h) / cellHeaderSize)
	}
	// SAFETY: it follows the header.
	return unsafe.Add(unsafe.Pointer(h), cellHeaderSize)
}

// bytes are the first n bytes of the message of h.
func (c *cells) bytes(h *cellHeader, n uint32) []byte {
	// SAFETY: n is at most the ring's inline size, for which each message has room
	// (layoutFor, checkGeometry).
	return unsafe.Slice((*byte)(c.messageOf(h)), n)
}

// fillQuick fills cells as FillFrom does. There are len(claims)*n bytes in all, and each
// cell has room for n.
func fillQuick(claims []Claimed, all []byte, n int) {
	// SAFETY: the address of all, which stays within it below: message i begins i*n bytes
	// after the first.
	first := unsafe.Pointer(unsafe.SliceData(all))
	for i := range claims {
		h := claims[i].cell
		// SAFETY: both have n bytes there.
		quickCopy(claims[i].cells.messageOf(h), unsafe.Add(first, i*n), n)
		h.describe(uint32(n))
	}
}

// Aligned is the part of mem that can hold a ring or a stream.
func Aligned(mem []byte) []byte {
	if len(mem) < cellAlign {
		return nil
	}
	return alignTo(mem, cellAlign)
}

// alignTo is the part of mem that begins at a multiple of n.
func alignTo(mem []byte, n uintptr) []byte {
	// SAFETY: the address is only looked at.
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	return mem[(n-addr%n)%n:]
}

// Sizes and offsets that other processes rely on.
const (
	_ = -(unsafe.Sizeof(cellHeader{}) ^ cellHeaderSize)
	_ = -(groupSize % 2) // see pair
	_ = -(unsafe.Offsetof(putWatch{}.puts) ^ 8)
	_ = -(unsafe.Offsetof(getWatch{}.frees) ^ 8)
	_ = -(unsafe.Offsetof(getWatch{}.lending) ^ 24)
	_ = -(unsafe.Sizeof(getWatch{}) ^ 64)
	_ = -(unsafe.Sizeof(ringGeometry{}) ^ 56)
	_ = -(unsafe.Sizeof(ringWords{}) ^ ringHeader)
	_ = -(unsafe.Offsetof(ringWords{}.put) ^ 128)
	_ = -(unsafe.Offsetof(ringWords{}.get) ^ 256)
	_ = -(unsafe.Offsetof(ringWords{}.tail) ^ 384)
	_ = -(unsafe.Offsetof(ringWords{}.head) ^ 512)
	_ = -(unsafe.Offsetof(ringGeometry{}.chained) ^ 32)
	_ = -(unsafe.Offsetof(ringGeometry{}.notes) ^ 16)
	_ = -(unsafe.Offsetof(streamEnd{}.closed) ^ 8) // and barrier, which are looked at as one
	_ = -(unsafe.Offsetof(streamEnd{}.barrier) ^ 12)
	_ = -(unsafe.Sizeof(leaseHeader{}) ^ leaseHeaderSize)
	_ = -(unsafe.Sizeof(leaseGeometry{}) ^ 20)
)
