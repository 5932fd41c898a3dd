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
	// checkGeometry made sure that capacity × stride bytes follow the base. The base
	// and the stride are multiples of 8 (shm.At checked the alignment of the header,
	// which is a multiple of 64 bytes long), the header's alignment.
	return (*cellHeader)(unsafe.Add(b.p, off))
}

// cellAfter is the cell i cells after h, which is one of the ring.
func (c *cells) cellAfter(h *cellHeader, i int) *cellHeader {
	// SAFETY: as in at.
	return (*cellHeader)(unsafe.Add(unsafe.Pointer(h), i*int(c.stride)))
}

// pointer is the address off bytes after the first cell.
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
func (h *cellHeader) describe(n uint32) {
	// SAFETY: length, attempt and kind are the 8 bytes from a multiple of 8 on, length the
	// lower ones of the word.
	*(*uint64)(unsafe.Pointer(&h.length)) = uint64(n)
}

// bytes are the n bytes after a cell's header.
func (h *cellHeader) bytes(n uint32) []byte {
	// SAFETY: n is at most the ring's inline size, and each cell has stride ≥ 16 +
	// inline bytes (strideFor, checkGeometry).
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(h), cellHeaderSize)), n)
}

// fillQuick fills cells as FillFrom does. There are len(claims)*n bytes in all, and each
// cell has room for n.
func fillQuick(claims []Claimed, all []byte, n int) {
	// SAFETY: the address of all, which stays within it below: message i begins i*n bytes
	// after the first.
	first := unsafe.Pointer(unsafe.SliceData(all))
	for i := range claims {
		h := claims[i].cell
		// SAFETY: both have n bytes there; those after the header are the cell's.
		quickCopy(unsafe.Add(unsafe.Pointer(h), cellHeaderSize), unsafe.Add(first, i*n), n)
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
	_ = -(unsafe.Sizeof(leaseHeader{}) ^ leaseHeaderSize)
	_ = -(unsafe.Sizeof(leaseGeometry{}) ^ 20)
)
